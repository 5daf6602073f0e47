"""The disk as a tier that never raises: it takes an array or it does not, it has an array or it has not.

A full disk takes nothing until something is dropped. A disk that fails is written to no more, and still read. A
disk that has become slower than computing anew rests for a while.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernel_src.errors import KernelError
from kernel_src.events import EventLog
from kernel_src.spill import SpilledArray, SpillFile, SpillFullError, SpillSettings


@dataclass(frozen=True)
class PaceSettings:
    """When a disk is too slow to be of use."""

    least_bytes_per_s: float = 20e6
    """Below this rate, as one thread sees it, the disk rests. Half a megabyte takes some 11 ms to compute anew,
    which is 47 MB/s; a spilled array is read more than once, so a disk of half that rate still helps."""
    window_s: float = 1.0
    """Judged whenever reads, or writes, have taken this long since the last judgement."""
    rest_s: float = 30.0
    """How long a slow disk is left alone before it gets another try."""


class Pace:
    """Whether the disk keeps the pace, in one direction. Safe to use from several threads."""

    def __init__(self, settings: PaceSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._bytes = 0
        self._spent_s = 0.0
        self._rests_until_s = float("-inf")

    def rests(self) -> bool:
        """Whether the disk is resting now."""
        return self._clock() < self._rests_until_s

    def note(self, nbytes: int, spent_s: float) -> float | None:
        """Takes note of one transfer; returns the rate in bytes per second if the rest begins with it."""
        with self._lock:
            self._bytes += nbytes
            self._spent_s += spent_s
            if self._spent_s < self._settings.window_s:
                return None
            rate = self._bytes / self._spent_s
            self._bytes, self._spent_s = 0, 0.0
            if rate >= self._settings.least_bytes_per_s:
                return None
            self._rests_until_s = self._clock() + self._settings.rest_s
            return rate


class DiskTier:
    """Arrays in a spill file, made when the first one comes.

    Args:
        folder: where to spill to; None: nowhere.
        settings: how much of the disk.
        pace: when it is too slow.
        events: told of a full, failing or slow disk, once each.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        folder: Path | None,
        settings: SpillSettings,
        pace: PaceSettings,
        events: EventLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._events = events
        self._clock = clock
        self._writing = Pace(pace, clock)
        self._reading = Pace(pace, clock)
        self._lock = threading.Lock()
        self._file: SpillFile | None = None
        self._takes_more = folder is not None
        self._told: set[str] = set()
        self._damaged: set[SpilledArray] = set()

    def put(self, array: NDArray[np.float16]) -> SpilledArray | None:
        """Writes an array; None: it is not on disk."""
        if not self._takes_more or self._writing.rests():
            return None
        began_s = self._clock()
        try:
            if (file := self._opened()) is None:
                return None
            spilled = file.write(array)
        except SpillFullError as error:
            self._tell("disk_full", str(error))
            return None
        except (OSError, KernelError) as error:
            self._fail("nothing more is spilled", error)
            return None
        self._note(self._writing, "writing", array.nbytes, began_s)
        return spilled

    def get(self, spilled: SpilledArray) -> NDArray[np.float16] | None:
        """Reads an array again; None: not now, or never more."""
        file = self._file
        if file is None or spilled in self._damaged or self._reading.rests():
            return None
        began_s = self._clock()
        try:
            array = file.read(spilled)
        except (OSError, KernelError) as error:
            self._damaged.add(spilled)  # keeps its blocks out of use as well
            self._fail("nothing more is spilled, and what cannot be read is computed again", error)
            return None
        self._note(self._reading, "reading", array.nbytes, began_s)
        return array

    def claimed_bytes(self) -> int:
        """The blocks that the spill file has on disk, in bytes."""
        file = self._file
        return file.claimed_bytes() if file is not None else 0

    def sync(self) -> None:
        """Returns when all that was written has reached the disk (what a benchmark measures)."""
        if self._file is not None:
            self._file.sync()

    def close(self) -> None:
        """Takes and gives nothing any more. The file goes when the transfers under way have ended."""
        with self._lock:
            self._takes_more = False
            self._file = None
            self._damaged.clear()

    def _opened(self) -> SpillFile | None:
        with self._lock:
            if self._file is None and self._takes_more and self._folder is not None:
                self._file = SpillFile(self._folder, self._settings)
            return self._file

    def _note(self, pace: Pace, doing: str, nbytes: int, began_s: float) -> None:
        rate = pace.note(nbytes, self._clock() - began_s)
        if rate is not None:
            self._events.emit(
                "disk_slow",
                f"{doing} at {rate / 1e6:.1f} MB/s is slower than computing anew; the disk rests",
                doing=doing,
                bytes_per_s=round(rate),
            )

    def _fail(self, consequence: str, error: Exception) -> None:
        self._takes_more = False
        self._tell("spill_failed", f"{error}: {consequence}", reason=str(error))

    def _tell(self, event: str, message: str, **fields: object) -> None:
        with self._lock:
            if event in self._told:
                return
            self._told.add(event)
        self._events.emit(event, message, **fields)
