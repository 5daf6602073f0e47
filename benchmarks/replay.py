"""Orders of passes, and what each would have scored with how much of the time, replayed from recorded looks.

A look costs the same whoever takes it, for the members compared are of one size; a budget is a number of looks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.recorded_looks import RecordedLooks
from kernel_src.blend import Blend
from kernel_src.gains import MemberValue
from kernel_src.plan import Planner

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Step:
    """One pass: a member's look at a view of each of some clips."""

    member: int
    clips: Rows
    """[clips]"""
    views: Rows
    """[clips] which view of each."""


def our_order(recorded: RecordedLooks, values: Sequence[MemberValue], *, stop_early: bool) -> list[Step]:
    """The passes that the runtime's own planner and blend make of these looks."""
    views = recorded.view_counts
    looks = np.zeros_like(views)
    n_labels = recorded.targets.shape[1]
    planner = Planner(values, looks, views, stop_early=stop_early)
    blend = Blend(views.shape[1], [0.5] * n_labels)
    steps = []
    while (plan := planner.next_pass([1.0] * len(values))) is not None:
        clips = np.array(plan.clips)
        seen = recorded.orders[plan.member, clips, looks[plan.member, clips]].astype(np.intp)
        blend.add(plan.clips, recorded.probabilities[plan.member, clips, seen])
        looks[plan.member, clips] += 1
        planner.consider(plan.clips, blend.opinion(plan.clips))
        steps.append(Step(plan.member, clips, seen))
    return steps


def fixed_order(recorded: RecordedLooks) -> list[Step]:
    """Every pass in a fixed order: the first view of every member, then the second, and so on."""
    counts = recorded.view_counts
    steps = []
    for view in range(int(counts.max())):
        for member in range(len(counts)):
            clips = np.flatnonzero(counts[member] > view)
            if len(clips):
                steps.append(Step(member, clips, np.full(len(clips), view)))
    return steps


def silver_order(recorded: RecordedLooks) -> list[Step]:
    """The silver solution's: fold by fold, each with all its random crops; its looks are `random_probabilities`."""
    n_members, n_clips, n_looks = recorded.random_probabilities.shape[:3]
    clips = np.arange(n_clips)
    return [Step(member, clips, np.full(n_clips, look)) for member in range(n_members) for look in range(n_looks)]


def shuffled(steps: Sequence[Step], seed: int) -> list[Step]:
    """The same passes in a random order."""
    return [steps[index] for index in np.random.default_rng(seed).permutation(len(steps))]


def cost(steps: Sequence[Step]) -> int:
    """Looks in all."""
    return sum(len(step.clips) for step in steps)


def scores_at(probabilities: Float64, steps: Sequence[Step], budgets: Sequence[int]) -> Iterator[Float64]:
    """The mean probabilities, [clips, labels], as they are when each budget is spent.

    Args:
        probabilities: [members, clips, views, labels] of all looks.
        steps: the passes; the last may be left unfinished.
        budgets: looks, in rising order. One that is larger than the whole order buys no more than that.
    """
    sums, looks, spent = np.zeros((probabilities.shape[1], probabilities.shape[3])), np.zeros(probabilities.shape[1]), 0
    left = list(budgets)
    for step in steps:
        while left and left[0] < spent + len(step.clips):
            part = slice(0, left.pop(0) - spent)
            yield _means(*_added(sums.copy(), looks.copy(), probabilities, step, part))
        _added(sums, looks, probabilities, step, slice(None))
        spent += len(step.clips)
    for _ in left:
        yield _means(sums, looks)


def _added(sums: Float64, looks: Float64, probabilities: Float64, step: Step, part: slice) -> tuple[Float64, Float64]:
    """Adds a part of a pass to what was there."""
    clips = step.clips[part]
    sums[clips] += probabilities[step.member, clips, step.views[part]]
    looks[clips] += 1
    return sums, looks


def _means(sums: Float64, looks: Float64) -> Float64:
    means: Float64 = sums / np.maximum(1.0, looks)[:, None]
    return means
