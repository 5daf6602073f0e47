"""The inputs of one rehearsal: the data as it is, or a test set of another size, or one with faults in it."""

import csv
import os
import random
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from kernel_src.errors import KernelError
from simulator.faults import FaultKind, amount_of, has
from simulator.input_links import leads_out, led_to, linked_copy
from simulator.recut import BYTES_PER_S, recut
from simulator.scoring import Truth, check_truth, read_truth
from simulator.settings import CompetitionData, Rehearsal
from simulator.submission_check import Table, read_table

NEWER_COMPETITIONS = "competitions"
NEWER_DATASETS = "datasets"
CUT_TO_SHARE = 0.4
NOISE_BYTES = 4096
CLIP_FAULTS = (FaultKind.DAMAGED_CLIP, FaultKind.HANGING_CLIP)


@dataclass(frozen=True)
class StagedInputs:
    """What the kernel will see, and what the judge knows."""

    paths: dict[str, Path]
    """Where each input lies, by its path below the kernel's input folder."""
    originals: tuple[Path, ...] = ()
    """Folders that links among the inputs lead to."""
    sample_submission: Path | None = None
    """The rows and columns that the submission must have; None where there is no such table."""
    truth: Truth | None = None
    """The labels of the clips; None where nobody knows them."""
    unusable: frozenset[str] = frozenset()
    """The clips that are damaged or hang."""


@dataclass(frozen=True)
class TestSet:
    """The clips of a test set, each with the file that it is a copy of."""

    sample: Table
    """sample_submission.csv."""
    files: dict[str, Path]
    """The file of each clip."""
    origins: dict[str, str]
    """The name of the clip in the folder that each one is a copy of."""


def stage_inputs(rehearsal: Rehearsal, folder: Path) -> StagedInputs:
    """Lays out what the kernel will see; `folder` takes what cannot be shown as it is.

    Raises:
        KernelError: something that the kernel should see does not exist or does not fit.
    """
    rng = random.Random(f"{rehearsal.seed}/{rehearsal.day}")
    datasets = {_dataset_path(name, rehearsal): path for name, path in rehearsal.datasets.items()}
    if len(datasets) < len(rehearsal.datasets):
        raise KernelError(f"{', '.join(rehearsal.datasets)}: two inputs would lie in one folder; give --newer-mounts")
    for path in datasets.values():
        if not path.exists():
            raise KernelError(f"{path} does not exist; the kernel needs it as an input")
    damaged = _with_damaged_folds(datasets, rehearsal, folder / "datasets", rng)
    whole = {name: path for name, path in damaged.items() if path == datasets[name] and leads_out(path)}
    copies = {name: linked_copy(path, folder / "datasets" / name) for name, path in whole.items()}
    staged = StagedInputs(paths={**damaged, **copies})
    if rehearsal.data is not None:
        staged = _with_competition(staged, rehearsal, rehearsal.data, folder / "competition", rng)
    elif counted := [kind for kind in CLIP_FAULTS if has(rehearsal.faults, kind)]:
        raise KernelError(f"--fault {counted[0]}: there is no test set; give its folder as --data")
    return replace(staged, originals=led_to(staged.paths.values()))


def clips_bytes(rehearsal: Rehearsal) -> int:
    """About how much there is to read of the test set; 0 where there is none."""
    data, clips, mean_s = rehearsal.data, rehearsal.clips, rehearsal.mean_duration_s
    if data is None:
        return 0
    if clips is not None and mean_s is not None:
        return round(clips * mean_s * BYTES_PER_S)
    sizes = [path.stat().st_size for path in (data.folder / "test").iterdir() if path.is_file()]
    size_bytes = mean_s * BYTES_PER_S if mean_s is not None else sum(sizes) / max(1, len(sizes))
    return round(size_bytes * (len(sizes) if clips is None else clips))


def _dataset_path(dataset: str, rehearsal: Rehearsal) -> str:
    return f"{NEWER_DATASETS}/{dataset}" if rehearsal.newer_mounts else dataset.rpartition("/")[2]


def _with_competition(
    staged: StagedInputs, rehearsal: Rehearsal, data: CompetitionData, folder: Path, rng: random.Random
) -> StagedInputs:
    top = f"{NEWER_COMPETITIONS}/{data.slug}" if rehearsal.newer_mounts else data.slug
    shown = {name: data.folder / name for name in data.shown}
    for path in shown.values():
        if not path.exists():
            raise KernelError(f"{path} is missing; --data takes a folder in the competition's layout")
    truth = read_truth(data.truth) if data.truth else None
    test_set = _test_set(data, rehearsal)
    unusable = _draw_unusable(test_set, rehearsal, rng)
    known = _truth_of(test_set, truth) if truth is not None else None
    check_truth(known or {}, test_set.sample.columns)
    if rehearsal.clips is not None:
        shown["sample_submission.csv"] = _write_table(test_set.sample, folder / "sample_submission.csv")
    if rehearsal.clips is not None or rehearsal.mean_duration_s is not None or unusable:
        shown["test"] = _write_clips(test_set, unusable, folder / "test", rng)
    elif leads_out(shown["test"]):
        shown["test"] = linked_copy(shown["test"], folder / "test")
    return replace(
        staged,
        paths={**staged.paths, **{f"{top}/{name}": path for name, path in shown.items()}},
        sample_submission=shown["sample_submission.csv"],
        truth=known,
        unusable=frozenset(unusable),
    )


def _test_set(data: CompetitionData, rehearsal: Rehearsal) -> TestSet:
    sample = read_table(data.sample_submission)
    rows, origins = list(sample.rows), {name: name for name in sample.names}
    count = rehearsal.clips
    if count is not None:
        if not rows and count:
            raise KernelError(f"{data.sample_submission} has no rows, so {count} clips cannot be drawn from it")
        rows, origins = _draw_rows(rows, count, random.Random(rehearsal.seed))
    files = {row[0]: data.folder / "test" / origins[row[0]] for row in rows}
    if files and rehearsal.mean_duration_s is not None:
        files = recut(files, rehearsal.mean_duration_s, rehearsal.seed)
    return TestSet(Table(sample.columns, tuple(rows)), files, origins)


def _draw_rows(
    rows: Sequence[tuple[str, ...]], count: int, rng: random.Random
) -> tuple[list[tuple[str, ...]], dict[str, str]]:
    """Rows drawn without putting back, in their order; all of them again, under new names, where they do not do."""
    drawn: list[tuple[str, ...]] = []
    origins: dict[str, str] = {}
    taken = {row[0] for row in rows}
    turn = 0
    while len(drawn) < count:
        wanted = min(count - len(drawn), len(rows))
        for index in sorted(rng.sample(range(len(rows)), wanted)):
            origin, *cells = rows[index]
            name = _free_name(origin, turn, taken) if turn else origin
            taken.add(name)
            drawn.append((name, *cells))
            origins[name] = origin
        turn += 1
    return drawn, origins


def _free_name(origin: str, turn: int, taken: Set[str]) -> str:
    """A clip's name on a later turn, which no other clip has."""
    stem, dot, suffix = origin.rpartition(".")
    mark = f"_{turn}"
    while f"{stem}{mark}{dot}{suffix}" in taken:
        mark += "_"
    return f"{stem}{mark}{dot}{suffix}"


def _draw_unusable(test_set: TestSet, rehearsal: Rehearsal, rng: random.Random) -> dict[str, FaultKind]:
    kinds = [kind for kind in CLIP_FAULTS for _ in range(amount_of(rehearsal.faults, kind))]
    there = sorted(name for name, path in test_set.files.items() if path.is_file()) if kinds else []
    return dict(zip(rng.sample(there, min(len(kinds), len(there))), kinds, strict=False))


def _truth_of(test_set: TestSet, truth: Truth) -> Truth:
    return {name: truth[origin] for name, origin in test_set.origins.items() if origin in truth}


def _write_table(table: Table, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([table.columns, *table.rows])
    return path


def _write_clips(test_set: TestSet, unusable: dict[str, FaultKind], folder: Path, rng: random.Random) -> Path:
    folder.mkdir(parents=True)
    for name, origin in test_set.files.items():
        match unusable.get(name):
            case FaultKind.HANGING_CLIP:
                os.mkfifo(folder / name)  # reading it waits for a writer, who never comes
            case FaultKind.DAMAGED_CLIP:
                _write_damaged(folder / name, origin, rng)
            case _ if origin.exists():  # one that is missing in the folder is missing here, too
                (folder / name).symlink_to(origin.resolve())
    return folder


def _write_damaged(path: Path, origin: Path, rng: random.Random) -> None:
    """A copy that is empty, all noise, or cut off inside its header."""
    original = origin.read_bytes()
    path.write_bytes(rng.choice([b"", rng.randbytes(NOISE_BYTES), original[:20]]))


def _with_damaged_folds(
    datasets: dict[str, Path], rehearsal: Rehearsal, folder: Path, rng: random.Random
) -> dict[str, Path]:
    """The data sets, with some of their safetensors files cut short where a fault says so."""
    count = amount_of(rehearsal.faults, FaultKind.DAMAGED_FOLD)
    if not count:
        return datasets
    files = [(name, file) for name, path in datasets.items() for file in sorted(path.glob("*.safetensors"))]
    if not files:
        raise KernelError(f"--fault {FaultKind.DAMAGED_FOLD}: none of the inputs holds a .safetensors file")
    damaged = rng.sample(files, min(count, len(files)))
    files_of = {name: {file for owner, file in damaged if owner == name} for name, _ in damaged}
    copies = {name: _damaged_copy(datasets[name], wrong, folder / name) for name, wrong in files_of.items()}
    return {**datasets, **copies}


def _damaged_copy(original: Path, damaged: set[Path], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for path in original.iterdir():
        if path in damaged:
            content = path.read_bytes()
            (folder / path.name).write_bytes(content[: int(len(content) * CUT_TO_SHARE)])
        else:
            (folder / path.name).symlink_to(path.resolve())
    return folder
