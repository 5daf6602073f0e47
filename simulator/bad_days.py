"""Many runs, each on a bad day of its own, and how the kernel came through them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from simulator.faults import Fault, FaultKind, has
from simulator.means import can_fill_disks, free_bytes, gpu_devices, group_abilities
from simulator.rehearse import RunResult, rehearse
from simulator.run_events import named
from simulator.run_folder import emptied_run_folder
from simulator.settings import Rehearsal
from simulator.staging import clips_bytes
from simulator.submission_check import read_table
from simulator.verdict import Kind

MOST_FAULTS_A_DAY = 3
DAYS_NAME = "days.json"
SLOWEST_READ_SHARE, QUICKEST_READ_SHARE = 0.4, 0.05
LEAST_READ_BYTES = 10**6


class Fate(StrEnum):
    """How a day ended."""

    SURVIVED = "survived"
    LATE = "late"
    KILLED = "killed"
    INVALID = "invalid"


@dataclass(frozen=True)
class Day:
    """One day."""

    number: int
    """From 1 on; 0 for the good day."""
    faults: tuple[Fault, ...]
    """What went wrong."""
    result: RunResult
    """What happened."""

    @property
    def fate(self) -> Fate:
        """How it ended."""
        return FATES[self.result.verdict.kind]

    @property
    def good(self) -> bool:
        """Whether the kernel kept its promises and lost no clip."""
        return self.result.verdict.good and not self.lost_clips

    @property
    def lost_clips(self) -> int:
        """Clips that were fine and still got no score of their own; 0 where the kernel was told to leave early."""
        if has([fault for _, fault in self.result.faults], FaultKind.SIGTERM):
            return 0
        return len(untagged_clips(self.result) - self.result.staged.unusable)


FATES = {
    Kind.KEPT: Fate.SURVIVED,
    Kind.LATE: Fate.LATE,
    Kind.OUT_OF_MEMORY: Fate.KILLED,
    Kind.OUT_OF_DISK: Fate.KILLED,
    Kind.USED_NETWORK: Fate.KILLED,
    Kind.CHANGED_INPUTS: Fate.INVALID,
    Kind.IGNORED_SIGTERM: Fate.KILLED,
    Kind.CRASHED: Fate.KILLED,
    Kind.LEFT_PROCESSES: Fate.INVALID,
    Kind.NO_SUBMISSION: Fate.INVALID,
    Kind.INVALID_SUBMISSION: Fate.INVALID,
    Kind.FAILED: Fate.SURVIVED,
}


def live_through(rehearsal: Rehearsal, days: int, tell: Callable[[Day, Sequence[Day]], None]) -> tuple[Day, list[Day]]:
    """Runs the kernel on a good day, then on so many bad ones; the same seed draws the same faults.

    A kernel may end long before its limit, so the faults' moments are shares of the time that the good day took.

    Args:
        rehearsal: the run on a good day; each day's files go to a folder of its own in `rehearsal.out`.
        days: how many bad ones.
        tell: is called after each day, the good one too, with that day and the bad days so far.

    Returns:
        The good day, and the bad ones.
    """
    with emptied_run_folder(rehearsal.out, DAYS_NAME) as out:
        good = Day(0, (), rehearse(replace(rehearsal, out=out / "good-day", faults=(), live=False)))
        lived: list[Day] = []
        tell(good, lived)
        lasts = min(1.0, good.result.wall_s / rehearsal.limits.time_s)
        for number in range(1, days + 1):
            lived.append(_live_one_day(rehearsal, out, number, lasts))
            tell(lived[-1], lived)
        return good, lived


def _live_one_day(rehearsal: Rehearsal, out: Path, number: int, lasts: float) -> Day:
    """Draws a day's faults and runs the kernel with them; `lasts` is the share of the limit that a good day takes."""
    rng = random.Random(f"{rehearsal.seed}/{number}")
    drawn = draw_faults(rng, rehearsal, possible_kinds(rehearsal))
    faults = (*rehearsal.faults, *(replace(fault, at_share=fault.at_share * lasts) for fault in drawn))
    day = replace(
        rehearsal,
        out=out / f"day-{number:02}",
        faults=faults,
        gpu=rehearsal.gpu and not has(faults, FaultKind.NO_GPU),
        day=number,
        live=False,
    )
    return Day(number, faults, rehearse(day))


def possible_kinds(rehearsal: Rehearsal) -> list[FaultKind]:
    """What can be brought about here, to this kernel."""
    strong = not rehearsal.soft
    has_image = strong and can_fill_disks() and free_bytes(rehearsal.out) > rehearsal.limits.disk_bytes
    groups = group_abilities()
    possible = {
        FaultKind.DISK_FULL: has_image,
        FaultKind.NEIGHBOUR: strong and groups.neighbours,
        FaultKind.SLOW_INPUTS: has_image and groups.reads and rehearsal.data is not None,
        FaultKind.DAMAGED_CLIP: rehearsal.data is not None,
        FaultKind.HANGING_CLIP: rehearsal.data is not None,
        FaultKind.DAMAGED_FOLD: any(any(path.glob("*.safetensors")) for path in rehearsal.datasets.values()),
        FaultKind.NO_GPU: rehearsal.gpu and bool(gpu_devices()),
    }
    return [kind for kind in FaultKind if possible.get(kind, True)]


def draw_faults(rng: random.Random, rehearsal: Rehearsal, kinds: Sequence[FaultKind]) -> list[Fault]:
    """One to three faults that a good kernel can live through."""
    count = rng.randint(1, min(MOST_FAULTS_A_DAY, len(kinds)))
    return [_draw_fault(rng, kind, rehearsal) for kind in rng.sample(kinds, count)]


def _draw_fault(rng: random.Random, kind: FaultKind, rehearsal: Rehearsal) -> Fault:
    limits = rehearsal.limits
    ranges: dict[FaultKind, tuple[tuple[float, float], tuple[float, float]]] = {  # of the amount, of the moment
        FaultKind.SLOW: ((0.25, 0.8), (0.0, 0.8)),
        FaultKind.STALL: ((0.02 * limits.time_s, 0.1 * limits.time_s), (0.0, 0.75)),
        FaultKind.SLOW_INPUTS: (_reading_rates(rehearsal), (0.0, 0.1)),
        FaultKind.DISK_FULL: ((0.0, 0.0), (0.2, 0.9)),  # before there is any submission nobody could live through it
        FaultKind.NEIGHBOUR: ((0.02 * limits.memory_bytes, 0.1 * limits.memory_bytes), (0.0, 0.8)),
        FaultKind.SIGTERM: ((10.0, 10.0), (0.2, 0.8)),
        FaultKind.DAMAGED_CLIP: ((1, 3), (0.0, 0.0)),
    }
    amount, moment = ranges.get(kind, ((1, 1), (0.0, 0.0)))
    return Fault(kind, rng.uniform(*amount), rng.uniform(*moment))


def _reading_rates(rehearsal: Rehearsal) -> tuple[float, float]:
    """Bytes a second: at the lowest, reading every clip once takes two fifths of the time limit."""
    size_bytes, time_s = max(clips_bytes(rehearsal), LEAST_READ_BYTES), rehearsal.limits.time_s
    return size_bytes / (SLOWEST_READ_SHARE * time_s), size_bytes / (QUICKEST_READ_SHARE * time_s)


def untagged_clips(result: RunResult) -> set[str]:
    """Clips whose row in the last submission is still that of the first, which a kernel writes before it has heard any.

    None where there was only one submission, unless the kernel's own events say that it was such a first one. What
    Kaggle would not accept does not count: a kernel that writes in place leaves an empty or a half file for a moment.
    """
    whole = result.valid_submissions
    if not whole or not result.verdict.scored:
        return set()
    only_priors = named(result.events, "prior_written") and not named(result.events, "submission_written")
    if len(whole) < 2 and not only_priors:
        return set()
    first, last = (read_table(whole[index][1]) for index in (0, -1))
    before = {row[0]: row[1:] for row in first.rows}
    return {row[0] for row in last.rows if row[1:] == before.get(row[0])}
