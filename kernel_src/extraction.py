"""Clips to spectrograms by a few extractors, beside whatever else runs."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.clips import ClipList
from kernel_src.device_transform import DeviceTransform
from kernel_src.errors import ClipError, NotReadyError, StuckError
from kernel_src.events import EventLog
from kernel_src.extractors import Extractor, ExtractorClosedError, ThreadExtractor
from kernel_src.frontend import FrontendConfig
from kernel_src.schedule import Job, Schedule
from kernel_src.store import SpectrogramStore
from kernel_src.store_totals import Tier
from kernel_src.threads import join_all

Spectrogram = npt.NDArray[np.float16]

LOOK_AHEAD_CLIPS = 32
"""Clips that are made ahead of the one that was last asked for, once the store keeps nothing more."""

STUCK_S = 3.0
"""A clip that has been in work for longer has most likely hung its thread; another one takes its place."""

STUCK_LOOK_S = 0.5
"""How often whoever waits for a clip looks whether it is."""

MOST_SPARE_THREADS = 16

HELD_BYTES = 64 * 10**6
"""Spectrograms that wait, outside of the store, for whoever asks for them."""


class SpectrogramSource:
    """Spectrograms of the clips, made once and kept in the store.

    Args:
        clips: whose spectrograms are wanted.
        store: keeps them; what it cannot keep is made again when it is asked for, or shortly before.
        events: is told of every clip that cannot be used, once.
        extractors: do the work, each of them for a thread of its own; whoever made them closes them, afterwards.
        device: where waveforms become spectrograms, in batches; None: the extractors do that, too.
        raise_faults: whether a fault of our own reaches whoever waits for the clip; otherwise the clip cannot be used.
    """

    def __init__(
        self,
        clips: ClipList,
        store: SpectrogramStore,
        events: EventLog,
        extractors: Sequence[Extractor],
        device: torch.device | None = None,
        *,
        raise_faults: bool = True,
    ) -> None:
        self._clips = clips
        self._store = store
        self._events = events
        self._raise_faults = raise_faults
        self._schedule = Schedule(LOOK_AHEAD_CLIPS, self._is_made)
        self._lock = threading.Lock()
        self._waited_for: dict[Job, Future[Spectrogram | None]] = {}
        self._held: OrderedDict[Job, Spectrogram] = OrderedDict()
        self._made: set[Job] = set()
        self._failed: set[str] = set()
        self._at_work_since_s: dict[Job, float] = {}
        self._stuck: set[Job] = set()
        self._spare_threads = 0
        self._given_up: set[Job] = set()
        self._threads: list[threading.Thread] = []
        self._transform = None if device is None else DeviceTransform(device, self._deliver, events)
        for extractor in extractors:
            self._start_thread(extractor)

    def start(self, config: FrontendConfig, order: Iterable[int]) -> None:
        """Begins to make the spectrograms of clips, given as indices, in this order; returns at once.

        It is also the order in which they are expected to be asked for, pass after pass.
        """
        self._schedule.add(config, order)

    def get(self, clip: int, config: FrontendConfig, patience_s: float) -> Spectrogram | None:
        """The spectrogram of one clip.

        Args:
            clip: its index in the clip list.
            config: which spectrogram.
            patience_s: how long to wait for it.

        Returns:
            [mels, frames] float16; None for a clip that cannot be used.

        Raises:
            NotReadyError: it is not there in time. A decoder may hang for ever, and must not take the run with it.
            StuckError: it has been in work for more than `STUCK_S`; it may come for all that.
        """
        job = Job(clip, config)
        self._schedule.note_position(job)
        stored = self._store.get(self._key(job))
        if stored is not None:
            return stored
        with self._lock:
            if self._clips.fnames[clip] in self._failed:
                return None
            held = self._held.pop(job, None)
            if held is not None:
                return held
            future = self._waited_for.setdefault(job, Future())
        stored = self._store.get(self._key(job))  # once more: it may have been delivered just before we waited
        if stored is not None:
            return stored
        if not future.done():
            self._schedule.demand(job)
        return self._wait(future, job, patience_s)

    def _wait(self, future: "Future[Spectrogram | None]", job: Job, patience_s: float) -> Spectrogram | None:
        until_s = time.monotonic() + patience_s
        while True:
            left_s = until_s - time.monotonic()
            try:
                return future.result(max(0.0, min(STUCK_LOOK_S, left_s)))
            except FutureTimeoutError as error:
                self._replace_stuck_threads()
                is_stuck = job in self._stuck
                if (is_stuck or left_s <= 0) and self._give_up(job, future):
                    raise (StuckError if is_stuck else NotReadyError)(self._key(job)) from error

    def _give_up(self, job: Job, future: "Future[Spectrogram | None]") -> bool:
        """Waits for it no longer, so that it is held once it comes; False where it has just come."""
        with self._lock:
            still_due = self._waited_for.get(job) is future
            if still_due:
                self._given_up.add(job)
        return still_due

    def is_ready(self, clip: int, config: FrontendConfig) -> bool:
        """Whether `get` would answer at once, or after making again what has been made and found no room."""
        self._replace_stuck_threads()
        return Job(clip, config) in self._made or self._clips.fnames[clip] in self._failed

    def close(self, patience_s: float = 0.0) -> None:
        """Drops the work that has not begun, and waits for what has; threads that hang are left behind.

        A thread that computes while the interpreter shuts down takes the whole process down with it.

        Args:
            patience_s: how long to wait at most.
        """
        until_s = time.monotonic() + patience_s
        self._schedule.close()
        if self._transform is not None:
            self._transform.close()
            self._transform.join(patience_s)
        join_all(self._threads, until_s - time.monotonic())

    def _start_thread(self, extractor: Extractor) -> None:
        # A daemon: a decoder that hangs must not hold up the end of the process.
        thread = threading.Thread(target=self._work, args=(extractor,), name="extraction", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _replace_stuck_threads(self) -> None:
        now_s = time.monotonic()
        with self._lock:
            stuck = {job for job, since_s in self._at_work_since_s.items() if now_s - since_s > STUCK_S} - self._stuck
            new = min(len(stuck), MOST_SPARE_THREADS - self._spare_threads)
            self._stuck |= stuck
            self._spare_threads += new
        for _ in range(new):
            self._start_thread(ThreadExtractor())

    def _work(self, extractor: Extractor) -> None:
        while (job := self._schedule.take()) is not None:
            with self._lock:
                self._at_work_since_s[job] = time.monotonic()
            path = self._clips.path(self._clips.fnames[job.clip])
            try:
                if self._transform is None or self._transform.gave_up:
                    self._deliver(job, extractor.spectrogram(path, job.config))
                else:
                    self._transform.submit(job, extractor.waveform(path, job.config))
            except ExtractorClosedError:
                return
            except Exception as error:  # noqa: BLE001 -- a bug must reach whoever waits, not end this thread
                self._deliver(job, error)
            with self._lock:
                self._at_work_since_s.pop(job, None)
                self._stuck.discard(job)

    def _deliver(self, job: Job, result: Spectrogram | BaseException) -> None:
        """Stores a spectrogram and wakes whoever waits for it."""
        if not isinstance(result, np.ndarray):
            self._deliver_failure(job, result)
            return
        result.flags.writeable = False
        refused = self._store.put(self._key(job), result) is Tier.NONE
        with self._lock:
            self._made.add(job)
            future = self._waited_for.pop(job, None)
            if refused and (future is None or job in self._given_up):
                self._hold(job, result)
            self._given_up.discard(job)
        if future is not None:
            future.set_result(result)
        self._schedule.finish(job, refused=refused)

    def _deliver_failure(self, job: Job, error: BaseException) -> None:
        """A clip that cannot be used is None from here on; a fault of our own goes to whoever waits, if it may."""
        usable = self._raise_faults and not isinstance(error, ClipError | MemoryError)
        fname = self._clips.fnames[job.clip]
        with self._lock:
            first_time = not usable and fname not in self._failed
            if not usable:
                self._failed.add(fname)
            future = self._waited_for.pop(job, None)
        if first_time:
            reason = _reason(error)
            self._events.emit("clip_failed", f"{fname}: {reason}; it keeps its prior", fname=fname, reason=reason)
        if future is not None and usable:
            future.set_exception(error)
        elif future is not None:
            future.set_result(None)
        self._schedule.finish(job, refused=None)

    def _hold(self, job: Job, spectrogram: Spectrogram) -> None:
        """Keeps what the store refused for a moment, in place of what has waited longest."""
        self._held[job] = spectrogram
        while sum(held.nbytes for held in self._held.values()) > HELD_BYTES and len(self._held) > 1:
            self._held.popitem(last=False)

    def _is_made(self, job: Job) -> bool:
        return job in self._held or self._key(job) in self._store or self._clips.fnames[job.clip] in self._failed

    def _key(self, job: Job) -> str:
        return f"{job.config.fingerprint}/{self._clips.fnames[job.clip]}"


def _reason(error: BaseException) -> str:
    """Why a clip cannot be used, in a few words."""
    if isinstance(error, ClipError):
        return error.reason
    return "does not fit into memory" if isinstance(error, MemoryError) else f"meets a fault of ours ({error!r})"
