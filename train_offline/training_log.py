"""What a training leaves beside its weights for those who want to look at it: `training/`, which the kernel ignores."""

import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kernel_src.errors import KernelError
from train_offline.batches import TrainingSet
from train_offline.evaluate import Float64
from train_offline.noisy_pick import Pick
from train_offline.tensorboard_files import BOARDS_NAME, EpochBoard
from train_offline.whole_files import write_whole

FOLDER_NAME = "training"
OUT_OF_FOLD_NAME = "oof.npz"


class EpochLog:
    """One JSON object per epoch of a stage, in a file that is whole at any moment; the same for TensorBoard.

    Args:
        path: a JSON-lines file; None keeps the entries in memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._board = EpochBoard(path.parent / BOARDS_NAME / path.stem) if path else None
        self.entries: list[dict[str, Any]] = []

    def restart(self, entries: list[dict[str, Any]]) -> None:
        """Begins with these entries; what the file had after them is forgotten."""
        self.entries = list(entries)
        self._write()
        if self._board:
            self._board.restart(entries)

    def add(self, entry: dict[str, Any]) -> None:
        """Adds an epoch."""
        self.entries.append(entry)
        self._write()
        if self._board:
            self._board.add(entry)

    def _write(self) -> None:
        if self._path is None:
            return
        lines = "".join(json.dumps(entry) + "\n" for entry in self.entries)
        try:
            write_whole(self._path, lines.encode())
        except KernelError as error:
            print(f"{error}; the training goes on", file=sys.stderr)


def logged_steps(path: Path) -> int:
    """How many steps a stage had done at the end of the last epoch in its log; 0 where there is none."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["step"])
    except (OSError, ValueError, IndexError, KeyError):
        return 0


def picks_path(weights: Path, fold: int) -> Path:
    """Where a fold's picks are."""
    return weights / FOLDER_NAME / f"picks-fold{fold}.json"


def write_picks(weights: Path, fold: int, picks: Sequence[Pick], noisy: TrainingSet, labels: Sequence[str]) -> None:
    """Writes which noisy clips a fold learns from, for which label, and how well its network agreed with it."""
    rows = [
        {"fname": noisy.fnames[pick.clip], "label": labels[pick.label], "score": round(pick.score, 6)} for pick in picks
    ]
    write_whole(picks_path(weights, fold), (json.dumps(rows, indent=0) + "\n").encode())


def write_out_of_fold(weights: Path, member: str, unseen: TrainingSet, probabilities: Float64) -> None:
    """Keeps what a member says of the clips that it has not seen."""
    path = weights / FOLDER_NAME / f"{member}.oof.npz"
    _write_arrays(path, {"fnames": np.array(unseen.fnames), "targets": unseen.targets, "probabilities": probabilities})


def gather_out_of_fold(weights: Path, fold_of_member: Mapping[str, int], labels: Sequence[str]) -> None:
    """Writes `oof.npz`: one row for each clip that a finished member has not seen; a fold's members are averaged.

    It holds fnames [clips], folds [clips], targets [clips, labels] bool, probabilities [clips, labels] float64, and
    labels.

    Raises:
        KernelError: a member's file holds something else, or there is no room.
    """
    folder = weights / FOLDER_NAME
    by_fold: dict[int, list[Any]] = {}
    for member, fold in sorted(fold_of_member.items()):
        kept = read_arrays(folder / f"{member}.oof.npz", ("fnames", "targets", "probabilities"))
        if kept is not None:
            by_fold.setdefault(fold, []).append(kept)
    if not by_fold:
        return
    rows = [
        (
            parts[0]["fnames"],
            np.full(len(parts[0]["fnames"]), fold),
            parts[0]["targets"],
            np.mean([part["probabilities"] for part in parts], axis=0),
        )
        for fold, parts in sorted(by_fold.items())
    ]
    names = ("fnames", "folds", "targets", "probabilities")
    content = {name: np.concatenate(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    content["labels"] = np.array(labels)
    _write_arrays(folder / OUT_OF_FOLD_NAME, content)


def _write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_whole(path, buffer.getvalue())


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]] | None:
    """The arrays of such a file; None where there is none.

    Raises:
        KernelError: it holds something else.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise KernelError(f"{path}: does not hold out-of-fold predictions ({error}); take it away") from error
