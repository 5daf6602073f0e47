"""Which pass comes next, or none. Pure: it knows of members, looks and opinions so far, but not of time or tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_src.gains import GainModel, MemberValue
from kernel_src.settling import expected_change

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.intp]

SETTLED_BELOW = 0.002
"""A clip is left alone when further looks are expected to move its lwlrap by less than this."""

FIRST_LOOKS = 2
"""Every clip gets so many looks before any gets more: fewer say nothing about how far looks differ."""

FEWEST_LOOKS = 4
"""Looks at a clip before its ranking may count as settled."""

SHARE_OF_A_PASS = 0.25
"""After the first looks, a pass takes this share of the clips that are left, those whose ranking may change most."""

FEWEST_CLIPS = 32
"""But so many of them at least: smaller passes are not worth their bookkeeping."""

GOOD_ENOUGH = 0.75
"""A clip takes part in a pass if the pass's member gives it this share of what the best member for it would."""


@dataclass(frozen=True)
class PassPlan:
    """One look of one member at some clips, at a view of each clip's own."""

    member: int
    """Which member, as an index."""
    clips: tuple[int, ...]
    """Which clips, as indices into the clip list, in the order in which to take them."""
    reason: str
    """Why this pass comes now, for the event log."""


@dataclass(frozen=True)
class Opinion:
    """What the looks so far say."""

    means: Float64
    """[clips, labels] the blended probabilities, as logits."""
    variances: Float64
    """[clips, labels] of what one look says, in the same units; 0 where there were fewer than two."""


class Planner:
    """Decides on one pass at a time.

    Args:
        members: what is known of each.
        looks: [members, clips] the looks so far.
        views: [members, clips] how many looks there may be; 0 leaves the clip out. Both are read when a pass is asked
            for, so they may change in between.
        stop_early: whether clips whose ranking has settled are left alone for good.
    """

    def __init__(self, members: Sequence[MemberValue], looks: Counts, views: Counts, *, stop_early: bool) -> None:
        self._gains = GainModel(members)
        self._looks = looks
        self._views = views
        self._stop_early = stop_early
        self._may_change = np.full(looks.shape[1], np.inf)

    @property
    def settled(self) -> Bools:
        """[clips] whether the ranking has settled."""
        return self._may_change < SETTLED_BELOW

    def consider(self, clips: Sequence[int], opinion: Opinion) -> None:
        """Takes in what is thought of some clips after new looks at them.

        Args:
            clips: their indices, each with at least one look.
            opinion: of these clips alone.
        """
        rows = np.asarray(clips, np.intp)
        looks, views = self._looks[:, rows].sum(axis=0), self._views[:, rows].sum(axis=0)
        change = expected_change(opinion.means, opinion.variances, looks, views)
        change[looks < np.minimum(FIRST_LOOKS, views)] = np.inf
        settled = (change < SETTLED_BELOW) & (looks < np.minimum(FEWEST_LOOKS, views))
        change[settled] = SETTLED_BELOW
        self._may_change[rows] = change

    def next_pass(self, costs_s: Sequence[float]) -> PassPlan | None:
        """The pass that is expected to help most; None when there is nothing left that may help.

        Args:
            costs_s: [members] seconds of one look at one clip, as far as known; only their ratios matter.
        """
        open_looks: Bools = np.asarray(self._looks < self._views)
        wanted: Bools = np.asarray(open_looks.any(axis=0))
        if self._stop_early or (wanted & ~self.settled).any():
            wanted &= ~self.settled
        if not wanted.any():
            return None
        clips = self._most_uncertain(np.flatnonzero(wanted))
        values = self._gains_a_second(clips, open_looks[:, clips], costs_s)
        best = values.max(axis=0)
        # Where even the best look is expected to harm a little, it alone is good enough.
        good = values >= np.where(best > 0, GOOD_ENOUGH * best, best)
        member = int((good @ np.minimum(1.0, self._may_change[clips])).argmax())
        value = float(values[member, good[member]].mean())
        chosen = tuple(clips[good[member]].tolist())
        reason = f"{value:.2g} of lwlrap expected per clip and second" if value > 0 else "no gain expected"
        return PassPlan(member, chosen, reason)

    def _most_uncertain(self, clips: Counts) -> Counts:
        """All clips that lack their first looks, else the share whose ranking may change most, in that order."""
        change = self._may_change[clips]
        if np.isinf(change).any():
            most: Counts = clips[np.isinf(change)]
        else:
            count = max(FEWEST_CLIPS, math.ceil(SHARE_OF_A_PASS * len(clips)))
            most = clips[np.argsort(-change, kind="stable")[:count]]
        return most

    def _gains_a_second(self, clips: Counts, is_open: Bools, costs_s: Sequence[float]) -> Float64:
        """[members, clips] what one more look would add; less than anything where there is none to be had."""
        looks = self._looks[:, clips]
        return np.where(is_open, self._gains.of_one_look_more(looks) / np.asarray(costs_s)[:, None], -np.inf)
