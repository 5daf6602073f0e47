"""What one more look is expected to add to the score: a small model of averaging, fitted to what was measured.

A mean over looks is noisy for two reasons: each network errs in its own way, and each view of a clip shows it in its
own way. Averaging divides both. With l_k looks by network k and L looks in all, the expected loss of lwlrap is taken as

    ensemble_gain * sum of (l_k / L)^2  +  view_gain / L  -  the mean quality of the looks' networks

The gain of views is measured out of fold, from the ladder of views in the manifest. What an ensemble gains cannot be,
for only one fold is honest on a clip: it is a constant here, and `python -m benchmarks.anytime` holds the model against
the scores of growing ensembles on clips that were withheld from all folds.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_src.manifest import Member

Float64 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.intp]

ENSEMBLE_GAIN = 0.03
"""What infinitely many folds add to one; see the module's docstring."""

USUAL_VIEW_GAIN = 0.05
"""What all further views add to the first where no ladder was measured."""


@dataclass(frozen=True)
class MemberValue:
    """What is known of a member before the run."""

    id: str
    kind: str
    """Members of one kind differ in their fold only: stage, frontend and network are the same."""
    oof_lwlrap: float | None
    """Its score on its own fold; None where it was not measured."""
    view_gains: Sequence[float]
    """What its second, third, ... view added to that; empty where it was not measured."""
    fold: int = 0
    """The fold that it was scored on: scores of different folds cannot be compared."""

    @classmethod
    def of(cls, member: Member) -> "MemberValue":
        """What the manifest says of a member."""
        kind = json.dumps([member.stage, dict(member.frontend), dict(member.model)], sort_keys=True)
        return cls(member.id, kind, member.oof_lwlrap, member.view_gains, member.fold)


class GainModel:
    """Expected gains of the members of one ensemble.

    Args:
        members: in the order that is kept everywhere.
    """

    def __init__(self, members: Sequence[MemberValue]) -> None:
        self._quality = _qualities(members)
        ladders = [member.view_gains for member in members if member.view_gains]
        self.view_gain = fitted_view_gain(ladders) if ladders else USUAL_VIEW_GAIN
        """What infinitely many views add to one."""

    def of_one_look_more(self, looks: Counts) -> Float64:
        """What one more look of each member is expected to add to each clip's score.

        Args:
            looks: [members, clips] the looks so far.

        Returns:
            [members, clips] in units of lwlrap; for a clip without any look its whole expected score.
        """
        total, squares, quality = looks.sum(axis=0), np.square(looks).sum(axis=0), self._quality @ looks
        before = np.where(total > 0, self._loss(squares, quality, np.maximum(1, total)), 1.0)
        return before - self._loss(squares + 2 * looks + 1, quality + self._quality[:, None], total + 1)

    def _loss(self, squares: Counts, quality: Float64, total: Counts) -> Float64:
        """Of clips with so many looks in all.

        Args:
            squares: the sums of l_k^2.
            quality: the sums over all looks of their networks' quality.
            total: L, at least 1.
        """
        loss: Float64 = (ENSEMBLE_GAIN * squares / total + self.view_gain - quality) / total
        return loss


def fitted_view_gain(ladders: Sequence[Sequence[float]]) -> float:
    """What infinitely many views add to one, from measured ladders.

    The gain of v views is taken to be `a * (1 - 1/v)`; `a` is the least-squares fit over all ladders, for a single
    fold's ladder is a noisy one, and at least 0.
    """
    gained = np.concatenate([np.cumsum(ladder) for ladder in ladders])
    shape = np.concatenate([1 - 1 / (2 + np.arange(len(ladder))) for ladder in ladders])
    return max(0.0, float(gained @ shape / (shape @ shape)))


def _qualities(members: Sequence[MemberValue]) -> Float64:
    """[members] how much more each one's kind scores than the other kinds of the same folds, in the mean over these.

    Folds differ in difficulty by more than networks do. So members that differ in their fold only count as equally
    good, and so do kinds that have no fold in common, such as those of frontends that take turns with the folds.
    """
    scores: dict[int, dict[str, list[float]]] = {}
    for member in members:
        if member.oof_lwlrap is not None:
            scores.setdefault(member.fold, {}).setdefault(member.kind, []).append(member.oof_lwlrap)
    better: dict[str, list[float]] = {}
    for of_kind in scores.values():
        means = {kind: float(np.mean(found)) for kind, found in of_kind.items()}
        usual = float(np.mean(list(means.values())))
        for kind, mean in means.items() if len(means) > 1 else ():
            better.setdefault(kind, []).append(mean - usual)
    return np.array([float(np.mean(better.get(member.kind, [0.0]))) for member in members])
