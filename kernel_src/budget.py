"""How much of the kernel's time is left, counted from the start of the process."""

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def process_age_s() -> float:
    """Seconds since this process was started, the interpreter's own start-up and every import included.

    Linux says when a process began in clock ticks since boot (`man 5 proc`, field 22 of /proc/self/stat); elsewhere
    the count begins with the first call.
    """
    try:
        after_name = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        started_s = int(after_name[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)
    except (OSError, AttributeError, ValueError, IndexError):
        return time.monotonic() - _FIRST_IMPORT_S


_FIRST_IMPORT_S = time.monotonic()


STALL_SHARE = 0.1
"""A stall of the whole process is allowed for up to this share of the limit, however large a reserve is wished for."""

LEAST_WRITE_S = 0.25
"""What a write of the submission is taken to cost at least."""

WRITE_SHARE = 0.05
"""Writes that take longer than this share of the limit are not waited for: the file that is there is a good one."""

WRITES_REMEMBERED = 4


class TimeBudget:
    """The time that may still be spent, and what must be left at its end.

    From the limit backwards: time in which the whole process may stand still without being late; the last resort's
    write, if the run itself hangs; the run's own last write. The two writes are planned for at twice what a write has
    cost here of late, so the reserve is a measured one.

    Args:
        limit_s: when the process is killed, in seconds after its start.
        stall_s: how long the whole process may stand still at the very end, at most a tenth of the limit.
        elapsed_s: the clock, in seconds since the start of the process; tests hand in their own.
    """

    def __init__(self, limit_s: float, stall_s: float, elapsed_s: Callable[[], float]) -> None:
        self.limit_s = limit_s
        self.stall_s = min(stall_s, STALL_SHARE * limit_s)
        self.elapsed_s = elapsed_s
        self._writes_s: list[float] = []
        self.write_s = self._time_for_a_write_s()
        """Seconds that are left for one write: twice the second dearest of late, for one stall is not believed."""

    @classmethod
    def of_this_process(cls, limit_s: float, stall_s: float) -> "TimeBudget":
        """A budget on the monotonic clock, with the time that this process has already lived counted in."""
        started_s = time.monotonic() - process_age_s()
        return cls(limit_s, stall_s, lambda: time.monotonic() - started_s)

    def note_write(self, cost_s: float) -> None:
        """Remembers what a write of the submission cost."""
        self._writes_s = [*self._writes_s[1 - WRITES_REMEMBERED :], cost_s]
        self.write_s = self._time_for_a_write_s()

    @property
    def last_write_s(self) -> float:
        """Seconds that the newest write took; 0 before the first."""
        return self._writes_s[-1] if self._writes_s else 0.0

    def _time_for_a_write_s(self) -> float:
        longest_s = self.limit_s * WRITE_SHARE
        return min(longest_s, 2 * max(LEAST_WRITE_S, _second_highest(self._writes_s)))

    @property
    def reserve_s(self) -> float:
        """Seconds before the limit in which no work is planned."""
        return self.stall_s + 2 * self.write_s

    @property
    def left_s(self) -> float:
        """Seconds until the reserve begins; never negative."""
        return max(0.0, self.limit_s - self.reserve_s - self.elapsed_s())

    @property
    def until_last_call_s(self) -> float:
        """Seconds until a run that has not ended by itself is ended; never negative."""
        return max(0.0, self.limit_s - self.stall_s - self.write_s - self.elapsed_s())

    @property
    def until_leaving_s(self) -> float:
        """Seconds until the process must be gone, finished or not; never negative."""
        return max(0.0, self.limit_s - self.stall_s - self.elapsed_s())

    @property
    def until_too_late_s(self) -> float:
        """Seconds until a process that should be gone is killed; never negative. Half a stall's time is left then."""
        return max(0.0, self.limit_s - self.stall_s / 2 - self.elapsed_s())

    def allows(self, cost_s: float) -> bool:
        """Whether work of at most `cost_s` seconds ends before the reserve begins."""
        return cost_s < self.left_s


class CostEstimate:
    """What the next piece of work costs, from the recent ones.

    Args:
        recent: how many of the last costs count.
        margin: what the upper estimate is multiplied with, for the next stall may be worse than the last.
    """

    def __init__(self, recent: int = 8, margin: float = 1.5) -> None:
        self._recent = recent
        self._margin = margin
        self._costs_s: list[float] = []

    def note(self, cost_s: float, units: int) -> None:
        """Remembers that `units` units of work (clips, say) took `cost_s` seconds."""
        self._costs_s = [*self._costs_s[1 - self._recent :], cost_s / units]

    def upper_s(self, units: int) -> float:
        """Seconds that `units` units take at most, as far as one can tell; 0 before anything was noted.

        Taken from the second dearest of the recent costs, for shared machines stall: a single stall is not believed to
        come again at once, while a machine that has become slower shows in every cost.
        """
        return _second_highest(self._costs_s) * self._margin * units

    @property
    def typical_s(self) -> float | None:
        """Seconds of one unit, the median of the recent costs; None before anything was noted."""
        return statistics.median(self._costs_s) if self._costs_s else None


def _second_highest(values: Sequence[float]) -> float:
    """The second highest value, the only one where there is one, 0 where there is none."""
    if len(values) < 2:
        return values[0] if values else 0.0
    return sorted(values)[-2]
