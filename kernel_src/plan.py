"""Which pass comes next. Pure: it knows of members, views and clips, but not of time or tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class PassPlan:
    """One look of one member at one view of some clips."""

    member: int
    """Which member, as an index."""
    view: int
    """Which of a clip's own views, from 0."""
    clips: tuple[int, ...]
    """Which clips, as indices into the clip list."""
    reason: str
    """Why this pass comes now, for the event log."""


def passes(oof_lwlraps: Sequence[float | None], view_counts: npt.NDArray[np.intp]) -> Iterator[PassPlan]:
    """The order of all passes: every member once, the best first, then the second view of each, and so on.

    Another member adds more than another view of the same member does, so no member looks twice before each has
    looked once.

    Args:
        oof_lwlraps: [members] out-of-fold scores; None, where one was not measured, counts as the worst.
        view_counts: [members, clips] how many views each clip has for each member; 0 leaves the clip out. They are
            read when a pass is asked for, so they may still change while the first passes run.

    Yields:
        Passes with at least one clip.
    """
    best_first = sorted(range(len(oof_lwlraps)), key=lambda member: -(oof_lwlraps[member] or 0.0))
    view = 0
    while (view_counts > view).any():
        for rank, member in enumerate(best_first):
            clips = tuple(np.flatnonzero(view_counts[member] > view).tolist())
            if clips:
                yield PassPlan(member, view, clips, f"view {view + 1}, member {rank + 1} by out-of-fold score")
        view += 1
