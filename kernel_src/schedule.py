"""Which spectrogram is made next: one that is waited for, one that will soon be, or the next of the whole order.

The whole order is worked through ahead of time only as long as the store keeps what is made. From its first refusal
on, working ahead would be thrown away; then only the few clips after the one that was last asked for are made.
"""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kernel_src.frontend import FrontendConfig


@dataclass(frozen=True)
class Job:
    """One spectrogram to be made."""

    clip: int
    """Index in the clip list."""
    config: FrontendConfig
    """Which of the clip's spectrograms."""


class Schedule:
    """Hands out jobs to any number of threads; a job is in one thread's hands at a time.

    Args:
        look_ahead: how many clips after the last one that was asked for are made once the store has refused one.
        is_made: whether a spectrogram is there already, or never will be; asked before work ahead begins.
    """

    def __init__(self, look_ahead: int, is_made: Callable[[Job], bool]) -> None:
        self._look_ahead = look_ahead
        self._is_made = is_made
        self._orders: dict[FrontendConfig, _Order] = {}
        self._urgent: deque[Job] = deque()
        self._soon: deque[Job] = deque()
        self._rest: OrderedDict[Job, None] = OrderedDict()
        self._at_work: set[Job] = set()
        self._refused = False
        self._closed = False
        self._changed = threading.Condition()

    def add(self, config: FrontendConfig, clips: Iterable[int]) -> None:
        """Clips in the order in which they will be asked for, again and again."""
        order = _Order.of(clips)
        with self._changed:
            self._orders[config] = order
            self._rest.update(dict.fromkeys(Job(clip, config) for clip in order.clips))
            self._changed.notify_all()

    def demand(self, job: Job) -> None:
        """Somebody waits for this one."""
        with self._changed:
            if job not in self._at_work and job not in self._urgent:
                self._urgent.append(job)
                self._changed.notify()

    def note_position(self, job: Job) -> None:
        """Somebody asked for this one: what follows it will be asked for soon, if it is not made yet."""
        with self._changed:
            if not self._refused or job.config not in self._orders:
                return
            following = self._orders[job.config].after(job.clip, self._look_ahead)
            self._soon = deque(Job(clip, job.config) for clip in following)
            self._changed.notify_all()

    def take(self) -> Job | None:
        """The next job, waited for; None when there will be no more."""
        with self._changed:
            while not self._closed:
                job = self._next()
                if job is not None:
                    self._at_work.add(job)
                    return job
                self._changed.wait()
            return None

    def finish(self, job: Job, *, refused: bool | None) -> None:
        """The job is done.

        Args:
            job: as it was taken.
            refused: whether the store had no room for the result; None where there is no result.
        """
        with self._changed:
            self._at_work.discard(job)
            if refused is not None and refused != self._refused:
                self._refused = refused
                self._changed.notify_all()

    def close(self) -> None:
        """No more jobs."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> Job | None:
        if self._urgent:
            return self._urgent.popleft()
        while self._soon:
            job = self._soon.popleft()
            if self._is_wanted(job):
                return job
        while self._rest and not self._refused:
            job, _ = self._rest.popitem(last=False)
            if self._is_wanted(job):
                return job
        return None

    def _is_wanted(self, job: Job) -> bool:
        return job not in self._at_work and not self._is_made(job)


@dataclass(frozen=True)
class _Order:
    """A cycle of clips."""

    clips: tuple[int, ...]
    position: dict[int, int]

    @classmethod
    def of(cls, clips: Iterable[int]) -> "_Order":
        unique = tuple(dict.fromkeys(clips))
        return cls(unique, {clip: index for index, clip in enumerate(unique)})

    def after(self, clip: int, count: int) -> list[int]:
        """The clips that come after this one; after the last comes the first."""
        if clip not in self.position:
            return []
        first = self.position[clip] + 1
        return [self.clips[(first + step) % len(self.clips)] for step in range(min(count, len(self.clips) - 1))]
