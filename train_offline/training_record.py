"""What a training noted beside its weights, in `training/`: its epochs, its picks, its out-of-fold predictions.

Each part may be missing: weights may come from elsewhere, and a training may have been interrupted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kernel_src.errors import KernelError
from train_offline.training_log import FOLDER_NAME, OUT_OF_FOLD_NAME, read_arrays

PICKS_PREFIX = "picks-fold"

Entry = TypeVar("Entry", "Epoch", "Pick")


@dataclass(frozen=True)
class Epoch:
    """One pass over the clips."""

    epoch: int
    """Counted from 1."""
    loss: float
    """The mean over its batches."""
    learning_rate: float
    """At its end."""
    seconds_s: float
    """Since the stage's beginning, interruptions left out."""
    clips_per_s: float
    step: int = 0
    """Batches since the stage's beginning."""
    stage: str = ""
    val_lwlrap: float | None = None
    """On the fold that the network does not see, where it was measured."""


@dataclass(frozen=True)
class Pick:
    """A clip of the noisy set that a fold's network agreed with."""

    fname: str
    label: str
    """The label that it was picked for."""
    score: float


@dataclass(frozen=True)
class OutOfFold:
    """What networks say of curated clips that they have not seen."""

    labels: tuple[str, ...]
    fnames: tuple[str, ...]
    truth: npt.NDArray[np.bool_]
    """[clips, labels]"""
    probabilities: npt.NDArray[np.float64]
    """[clips, labels]"""

    @classmethod
    def averaged(
        cls,
        labels: Sequence[str],
        fnames: Sequence[str],
        truth: npt.NDArray[np.bool_],
        probabilities: npt.NDArray[np.floating],
    ) -> "OutOfFold":
        """The mean for each clip that several networks have predicted, such as those of a fold's stages."""
        names, first, row_of = np.unique(np.asarray(fnames), return_index=True, return_inverse=True)
        sums = np.zeros((len(names), len(labels)))
        np.add.at(sums, row_of, probabilities)
        means = sums / np.bincount(row_of)[:, None]
        return cls(tuple(labels), tuple(names.tolist()), truth[first], means)


@dataclass(frozen=True)
class MemberPredictions:
    """What one network said of the clips of its own fold when it was trained."""

    fnames: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    """[clips, labels] the mean over all views."""


@dataclass(frozen=True)
class TrainingRecord:
    """All that is known of a training."""

    epochs: Mapping[str, tuple[Epoch, ...]]
    """By member."""
    picks: Mapping[int, tuple[Pick, ...]]
    """By fold."""
    out_of_fold: OutOfFold | None


def read_training_record(weights: Path) -> TrainingRecord:
    """Reads what is there.

    Args:
        weights: the folder of weights.

    Raises:
        KernelError: a file is there but is not what its name says.
    """
    folder = weights / FOLDER_NAME
    epochs = {path.stem: _read_epochs(path) for path in sorted(folder.glob("*.jsonl"))}
    picks = {_fold_of(path): read_picks(path) for path in sorted(folder.glob(f"{PICKS_PREFIX}*.json"))}
    predicted = folder / OUT_OF_FOLD_NAME
    return TrainingRecord(epochs, dict(sorted(picks.items())), _read_out_of_fold(predicted))


def _read_epochs(path: Path) -> tuple[Epoch, ...]:
    """The epochs in their order; one that was done twice, by an interrupted training that went on, counts once."""
    by_number: dict[tuple[str, int], Epoch] = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines):
        try:
            values = json.loads(line)
            epoch = _from_known_fields(Epoch, values)
        except (ValueError, TypeError) as error:
            if number == len(lines) - 1:
                break  # the power went while this line was written
            raise KernelError(f"{path}, line {number + 1}: is no epoch ({error}); take the line out") from error
        by_number[epoch.stage, epoch.epoch] = epoch
    return tuple(by_number.values())


def read_picks(path: Path) -> tuple[Pick, ...]:
    """The noisy clips that a fold picked.

    Raises:
        KernelError: the file holds something else.
    """
    try:
        return tuple(_from_known_fields(Pick, values) for values in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise KernelError(f"{path}: is no list of picks ({error}); take it away, or train again") from error


def _fold_of(path: Path) -> int:
    number = path.stem.removeprefix(PICKS_PREFIX)
    if not number.isdecimal():
        raise KernelError(f"{path}: expected a name such as {PICKS_PREFIX}0.json; take it away, or train again")
    return int(number)


def _from_known_fields(kind: type[Entry], values: Any) -> Entry:
    if not isinstance(values, dict):
        raise TypeError(f"expected an object, got {values!r}")
    return kind(**{name: values[name] for name in kind.__annotations__ if name in values})


def read_member_predictions(weights: Path, member: str) -> MemberPredictions | None:
    """Reads `training/<member>.oof.npz`; None where there is none.

    Raises:
        KernelError: it holds something else.
    """
    arrays = read_arrays(weights / FOLDER_NAME / f"{member}.{OUT_OF_FOLD_NAME}", ("fnames", "probabilities"))
    if arrays is None:
        return None
    return MemberPredictions(tuple(arrays["fnames"].tolist()), arrays["probabilities"].astype(np.float64))


def _read_out_of_fold(path: Path) -> OutOfFold | None:
    arrays = read_arrays(path, ("labels", "fnames", "targets", "probabilities"))
    if arrays is None:
        return None
    fnames, truth = arrays["fnames"].tolist(), arrays["targets"].astype(np.bool_)
    return OutOfFold.averaged(arrays["labels"].tolist(), fnames, truth, arrays["probabilities"])
