"""Looks at a running kernel: its memory, its disk, its submissions; says when a limit is crossed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from kernel_src.limits import KernelLimits
from simulator.submission_history import SubmissionHistory

SHORTEST_INTERVAL_S = 0.1
LONGEST_INTERVAL_S = 0.25
INTERVAL_SHARE = 0.1
"""Of the kernel's age, from one look to the next: what is over in seconds is seen, and an hour costs less."""
# What costly readings may take of the time. Disk and connections grow slowly, and a moment late does no harm there.
MEMORY_SHARE_OF_TIME = 0.004
SHARE_OF_TIME = 0.002

Reading = TypeVar("Reading")


class Crossed(StrEnum):
    """A line that a kernel may cross."""

    TIME = "time"
    MEMORY = "memory"
    DISK = "disk"
    NETWORK = "network"
    SIGTERM = "sigterm"


class Paced(Generic[Reading]):
    """A reading that is taken anew when it is due: the more it costs, the less often.

    Args:
        read: takes the reading.
        share: how much of the time it may take.
        clock: seconds, from any start.
    """

    def __init__(
        self, read: Callable[[], Reading], share: float = SHARE_OF_TIME, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._share = share
        self._clock = clock
        self._due_s = clock()
        self._value: Reading | None = None

    def value(self) -> Reading:
        """The newest reading."""
        return self.taken_now() if self._value is None or self._clock() >= self._due_s else self._value

    def taken_now(self) -> Reading:
        """One that is taken anew, due or not."""
        begin_s = self._clock()
        self._value = self._read()
        cost_s = self._clock() - begin_s
        self._due_s = begin_s + cost_s / self._share
        return self._value


@dataclass(frozen=True)
class Gauges:
    """What is read of a running kernel."""

    memory_bytes: Callable[[], int]
    """Memory of all of its processes."""
    memory_kills: Callable[[], int]
    """How many of them were killed for memory."""
    most_memory_bytes: int
    """What they can have: the limit, or what the machine has for them; a kill says that it was in use."""
    disk_bytes: Callable[[], int]
    """Disk in its writable folders."""
    outside: Callable[[], frozenset[str]]
    """The addresses outside that it talks to."""


@dataclass(frozen=True)
class Sample:
    """What was in use at one moment."""

    t_s: float
    """Seconds since the kernel's start."""
    memory_bytes: int
    """Memory of all of its processes."""
    disk_bytes: int
    """Disk in its writable folders."""


class Watch:
    """One look after the other at a running kernel.

    Args:
        limits: what it may use.
        gauges: what is read.
        elapsed_s: seconds since its start.
        history: keeps its submissions as they were written.
    """

    def __init__(
        self, limits: KernelLimits, gauges: Gauges, elapsed_s: Callable[[], float], history: SubmissionHistory
    ) -> None:
        self._limits = limits
        self._elapsed_s = elapsed_s
        self.history = history
        self._memory = Paced(gauges.memory_bytes, MEMORY_SHARE_OF_TIME)
        self._kills = gauges.memory_kills
        self._most_memory_bytes = gauges.most_memory_bytes
        self._disk = Paced(gauges.disk_bytes)
        self._outside = Paced(gauges.outside)
        self._has_killed = False
        self.samples: list[Sample] = []
        self.addresses: frozenset[str] = frozenset()

    def look(self) -> Crossed | None:
        """Takes a sample; the line that is crossed, if one is."""
        sample = self._sample()
        self.history.look(sample.t_s)
        self.addresses = self._outside.value()
        lines = {
            Crossed.MEMORY: self._has_killed or sample.memory_bytes > self._limits.memory_bytes,
            Crossed.DISK: sample.disk_bytes > self._limits.disk_bytes,
            Crossed.NETWORK: bool(self.addresses),
            Crossed.TIME: sample.t_s > self._limits.time_s,
        }
        return next((line for line, crossed in lines.items() if crossed), None)

    def until_crossed_or(
        self, ended: Callable[[float], bool], meanwhile: Callable[[float], Crossed | None]
    ) -> Crossed | None:
        """Looks until a line is crossed or the kernel has ended.

        Args:
            ended: waits for the end, at most the seconds given; whether it has come.
            meanwhile: is called with the time after each look; faults begin there.
        """
        while not (crossed := self.look() or meanwhile(self.samples[-1].t_s)):
            elapsed_s = self._elapsed_s()
            interval_s = min(max(SHORTEST_INTERVAL_S, INTERVAL_SHARE * elapsed_s), LONGEST_INTERVAL_S)
            if ended(min(interval_s, max(self._limits.time_s - elapsed_s, 0.0) + 1e-3)):
                return self.last_look()
        return crossed

    def last_look(self) -> Crossed | None:
        """After the end: whether something was killed for memory, or the disk was filled, since the readings before."""
        self.history.look(self._elapsed_s())
        disk_bytes = self._disk.taken_now()
        if (not self._has_killed and self._kills()) or disk_bytes > self.peak_disk_bytes:
            self._sample()
        if self._has_killed:
            return Crossed.MEMORY
        return Crossed.DISK if disk_bytes > self._limits.disk_bytes else None

    def _sample(self) -> Sample:
        """What is in use now; a kill says that it was all that there is, and comes between two readings."""
        self._has_killed = self._kills() > 0
        memory_bytes = max(self._memory.value(), self._most_memory_bytes if self._has_killed else 0)
        sample = Sample(self._elapsed_s(), memory_bytes, self._disk.value())
        self.samples.append(sample)
        return sample

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory seen."""
        return max((sample.memory_bytes for sample in self.samples), default=0)

    @property
    def peak_disk_bytes(self) -> int:
        """The most disk seen."""
        return max((sample.disk_bytes for sample in self.samples), default=0)
