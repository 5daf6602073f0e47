"""How much of the kernel's time is left, counted from the start of the process."""

import os
import time
from collections.abc import Callable
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


class TimeBudget:
    """The time that may still be spent.

    Args:
        limit_s: when the process is killed, in seconds after its start.
        reserve_s: what is kept for the last write and the way out.
        elapsed_s: the clock, in seconds since the start of the process; tests hand in their own.
    """

    def __init__(self, limit_s: float, reserve_s: float, elapsed_s: Callable[[], float]) -> None:
        self.limit_s = limit_s
        self.reserve_s = reserve_s
        self.elapsed_s = elapsed_s

    @classmethod
    def of_this_process(cls, limit_s: float, reserve_s: float) -> "TimeBudget":
        """A budget on the monotonic clock, with the time that this process has already lived counted in."""
        started_s = time.monotonic() - process_age_s()
        return cls(limit_s, reserve_s, lambda: time.monotonic() - started_s)

    @property
    def left_s(self) -> float:
        """Seconds until the reserve begins; never negative."""
        return max(0.0, self.limit_s - self.reserve_s - self.elapsed_s())

    @property
    def until_limit_s(self) -> float:
        """Seconds until the process is killed; never negative."""
        return max(0.0, self.limit_s - self.elapsed_s())

    def allows(self, cost_s: float) -> bool:
        """Whether work of at most `cost_s` seconds ends before the reserve begins."""
        return cost_s < self.left_s


class CostEstimate:
    """An upper estimate of what the next piece of work costs, from the recent ones.

    The largest of the recent costs rather than their mean, for shared machines stall; times a margin, for the next
    stall may be worse than the last.

    Args:
        recent: how many of the last costs count.
        margin: what the largest of them is multiplied with.
    """

    def __init__(self, recent: int = 8, margin: float = 1.5) -> None:
        self._recent = recent
        self._margin = margin
        self._costs_s: list[float] = []

    def note(self, cost_s: float, units: int) -> None:
        """Remembers that `units` units of work (clips, say) took `cost_s` seconds."""
        self._costs_s = [*self._costs_s[1 - self._recent :], cost_s / units]

    def upper_s(self, units: int) -> float:
        """Seconds that `units` units take at most, as far as one can tell; 0 before anything was noted."""
        return max(self._costs_s, default=0.0) * self._margin * units
