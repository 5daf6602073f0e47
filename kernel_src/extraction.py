"""Clips to spectrograms on a pool of threads, beside whatever else runs."""

import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

import numpy as np
import numpy.typing as npt

from kernel_src.audio import read_waveform
from kernel_src.clips import ClipList
from kernel_src.errors import ClipError, NotReadyError
from kernel_src.events import EventLog
from kernel_src.frontend import FrontendConfig, spectrogram
from kernel_src.store import SpectrogramStore

Spectrogram = npt.NDArray[np.float16]


class SpectrogramSource:
    """Spectrograms of the clips, made once and kept in the store.

    Args:
        clips: whose spectrograms are wanted.
        store: keeps them; what it cannot keep is made again when it is asked for.
        events: is told of every clip that cannot be used, once.
        threads: how many clips are worked on at a time; decoding and FFT leave the interpreter's lock free.
    """

    def __init__(self, clips: ClipList, store: SpectrogramStore, events: EventLog, threads: int) -> None:
        self._clips = clips
        self._store = store
        self._events = events
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="extraction")
        self._futures: dict[str, Future[None]] = {}
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def start(self, config: FrontendConfig, order: Iterable[int]) -> None:
        """Begins to make the spectrograms of clips, given as indices, in this order; returns at once."""
        for clip in order:
            key = self._key(clip, config)
            if key not in self._futures:
                self._futures[key] = self._pool.submit(self._prepare, clip, config)

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
        """
        key = self._key(clip, config)
        try:
            self._futures[key].result(patience_s)
        except FutureTimeoutError as error:
            raise NotReadyError(key) from error
        if self._clips.fnames[clip] in self._failed:
            return None
        # Most often stored. If not, it is made again in this thread: it has been made before, so it does not hang.
        return self._store.get_or_compute(key, lambda: self._compute(clip, config))

    def is_ready(self, clip: int, config: FrontendConfig) -> bool:
        """Whether `get` would answer at once."""
        return self._futures[self._key(clip, config)].done()

    def close(self) -> None:
        """Drops the work that has not begun; threads that hang are left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, clip: int, config: FrontendConfig) -> None:
        fname = self._clips.fnames[clip]
        try:
            self._store.get_or_compute(self._key(clip, config), lambda: self._compute(clip, config))
        except (ClipError, MemoryError) as error:
            reason = error.reason if isinstance(error, ClipError) else "does not fit into memory"
            with self._lock:
                first_time = fname not in self._failed
                self._failed.add(fname)
            if first_time:
                self._events.emit("clip_failed", f"{fname}: {reason}; it keeps its prior", fname=fname, reason=reason)

    def _compute(self, clip: int, config: FrontendConfig) -> Spectrogram:
        path = self._clips.path(self._clips.fnames[clip])
        return spectrogram(read_waveform(path, config.sample_rate_hz, config.trim_top_db), config)

    def _key(self, clip: int, config: FrontendConfig) -> str:
        return f"{config.fingerprint}/{self._clips.fnames[clip]}"
