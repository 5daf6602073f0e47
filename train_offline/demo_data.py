"""Demo data: a small made-up data set in the competition's layout, to try everything without recordings."""

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import soundfile as sf

from kernel_src.errors import KernelError
from train_offline.demo_recipes import LABELS, ClipRecipe, DemoSizes, Split, draw_recipes
from train_offline.demo_recording import record
from train_offline.demo_synthesis import SAMPLE_RATE_HZ
from train_offline.progress import Progress

__all__ = ["DemoSizes", "write_demo_data"]

VERSION = 1
DEFAULT_SIZES = DemoSizes()
MARKER = "demo_data.json"
TABLES = {Split.CURATED: "train_curated.csv", Split.NOISY: "train_noisy.csv", Split.TEST: "test.csv"}
SAMPLE_SUBMISSION = "sample_submission.csv"
OUR_NAMES = {MARKER, SAMPLE_SUBMISSION, *TABLES.values(), *Split}


def write_demo_data(out: Path, *, seed: int = 0, sizes: DemoSizes = DEFAULT_SIZES) -> None:
    """Writes the demo data set, or leaves it as it is where the same one is there already.

    All is made in a temporary folder beside `out`, which takes its name at the end, so `out` is never half done.

    Args:
        out: the data set's folder. Demo data of another seed or size in it is replaced, anything else refused.
        seed: 0 or more; the same seed and sizes give the same files.
        sizes: clips per split.

    Raises:
        KernelError: the seed is negative, `out` holds something else, or the files cannot be written.
    """
    if seed < 0:
        raise KernelError(f"demo data: the seed is {seed}; expected 0 or more")
    out = out.resolve()
    recipes = [recipe for split in Split for recipe in draw_recipes(split, seed=seed, sizes=sizes)]
    try:
        if not _is_complete(out, _marker(seed, sizes), recipes):
            _refuse_foreign(out)
            _generate(out, _marker(seed, sizes), recipes)
    except OSError as error:
        raise KernelError(
            f"cannot write demo data to {out}: {error}; free the disk or choose another folder"
        ) from error


def _marker(seed: int, sizes: DemoSizes) -> dict[str, object]:
    return {"made_by": "hourglass demo-data", "version": VERSION, "seed": seed, "sizes": asdict(sizes)}


def _refuse_foreign(out: Path) -> None:
    """Stops before anything that we did not make could be lost."""
    if out.exists() and not out.is_dir():
        raise KernelError(f"{out} is a file; demo data needs the name of a new or empty folder")
    names = {path.name for path in out.iterdir()} if out.exists() else set()
    if not names:
        return
    if MARKER not in names:
        raise KernelError(f"{out} holds something that is not demo data; choose a new or empty folder")
    if foreign := sorted(names - OUR_NAMES):
        raise KernelError(f"{out} holds {foreign[0]!r} beside demo data; move it away or choose another folder")


def _is_complete(out: Path, marker: dict[str, object], recipes: Iterable[ClipRecipe]) -> bool:
    """Whether `out` is just this data set, with no file missing."""
    marker_file = out / MARKER
    if not marker_file.exists():
        return False
    try:
        found = json.loads(marker_file.read_text(encoding="utf-8"))
    except ValueError:  # cut off or edited: make it anew
        return False
    names = [SAMPLE_SUBMISSION, *TABLES.values(), *(f"{recipe.split}/{recipe.fname}" for recipe in recipes)]
    return bool(found == marker) and all((out / name).exists() for name in names)


def _generate(out: Path, marker: dict[str, object], recipes: list[ClipRecipe]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{out.name}.partial-", dir=out.parent))
    try:
        data = work / "new"
        _write_clips(data, recipes)
        _write_tables(data, recipes)
        (data / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        if out.exists():
            out.rename(work / "old")
        data.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_clips(data: Path, recipes: list[ClipRecipe]) -> None:
    for split in Split:
        (data / split).mkdir(parents=True)
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())  # numpy and scipy release the GIL
    try:
        with Progress("demo data", len(recipes), "clip") as progress:
            for _ in pool.map(lambda recipe: _write_clip(data, recipe), recipes):
                progress.advance()
    finally:
        pool.shutdown(cancel_futures=True)


def _write_clip(data: Path, recipe: ClipRecipe) -> None:
    encoded = io.BytesIO()  # soundfile's own writing reports a full disk as an assertion
    sf.write(encoded, record(recipe), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    (data / recipe.split / recipe.fname).write_bytes(encoded.getvalue())


def _write_tables(data: Path, recipes: list[ClipRecipe]) -> None:
    for split, table in TABLES.items():
        rows = [(recipe.fname, ",".join(recipe.labels)) for recipe in recipes if recipe.split is split]
        _write_csv(data / table, ("fname", "labels"), rows)
    zeros = [0] * len(LABELS)
    tests = [(recipe.fname, *zeros) for recipe in recipes if recipe.split is Split.TEST]
    _write_csv(data / SAMPLE_SUBMISSION, ("fname", *LABELS), tests)


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
