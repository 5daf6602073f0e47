"""How long to wait for Kaggle, how often to ask again, and the clock by which that is counted."""

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """Time as it is waited for."""

    def now_s(self) -> float:
        """Seconds since some moment; never goes back."""

    def sleep(self, seconds_s: float) -> None:
        """Returns after that many seconds."""


class WallClock:
    """The machine's own time."""

    def now_s(self) -> float:
        """Seconds since the machine was started."""
        return time.monotonic()

    def sleep(self, seconds_s: float) -> None:
        """Sleeps."""
        time.sleep(seconds_s)


@dataclass(frozen=True)
class Patience:
    """How much waiting is worth it."""

    timeout_s: float = 60.0
    """How long the other side may be silent before a connection counts as dead."""
    tries: int = 8
    """How often something is tried that fails for a passing reason."""
    first_pause_s: float = 2.0
    """The pause after the first failure; each one doubles."""
    longest_pause_s: float = 60.0
    """No pause of ours is longer. One that Kaggle asks for may be."""
    longest_asked_pause_s: float = 900.0
    """A longer pause than this is not waited for, even if Kaggle asks for it."""
    every_s: float = 15.0
    """How often to look whether something at Kaggle has finished."""
    at_most_s: float = 24 * 3600.0
    """How long to wait for something at Kaggle to finish: queue and run."""

    def pause_s(self, failures: int) -> float:
        """The pause after so many failures in a row, in seconds."""
        return float(min(self.longest_pause_s, self.first_pause_s * 2 ** (failures - 1)))
