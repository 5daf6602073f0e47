"""Waveforms to spectrograms in batches on a device, for those who decode.

Whoever has decoded a clip writes it into the open batch, side by side with others. A device takes that batch as soon as
it is free: the faster the decoders, the larger the batches. When the device has no memory left, or cannot compute at
all, the CPU takes over for good.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.events import EventLog
from kernel_src.frontend import FrontendConfig, spectrogram
from kernel_src.long_signal import LongSignal, samples_of
from kernel_src.schedule import Job
from kernel_src.threads import join_all
from kernel_src.torch_frontend import TorchFrontend

Float32 = npt.NDArray[np.float32]
Spectrogram = npt.NDArray[np.float16]
Deliver = Callable[[Job, Spectrogram | BaseException], None]

BATCH_SAMPLES = 1 << 22
"""Samples of a batch at most, 95 s of sound and 17 MB, unless a single clip is longer; decoders that are faster than
the device wait."""

THREADS = 2
"""While one hands out the spectrograms of a batch, the device computes for the other."""


@dataclass
class _Batch:
    """Clips that are transformed together."""

    signal: LongSignal
    jobs: list[Job] = field(default_factory=list)
    being_written: int = 0
    """Clips whose samples are not all there yet."""


class DeviceTransform:
    """Makes spectrograms in batches on a device, in threads of its own.

    Args:
        device: where to compute.
        deliver: is given the spectrograms.
        events: is told when the device gives up.

    Attributes:
        gave_up: whether the device has; what is handed in all the same is computed by whoever hands it in.
    """

    def __init__(self, device: torch.device, deliver: Deliver, events: EventLog) -> None:
        self._device = device
        self._deliver = deliver
        self._events = events
        self._open: _Batch | None = None
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._work = threading.Condition(self._lock)
        self.gave_up = False
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run, name="device-frontend", daemon=True) for _ in range(THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job, waveform: Float32) -> None:
        """Copies a waveform into the open batch; waits while that is full."""
        try:
            reserved = None if self.gave_up else self._reserve(job, len(waveform))
        except RuntimeError as error:  # no memory that the device could read
            self._give_up(error)
            reserved = None
        if reserved is not None:
            batch, room = reserved
            room[:] = waveform
            with self._lock:
                batch.being_written -= 1
                self._work.notify_all()
        elif self.gave_up:
            self._deliver(job, spectrogram(waveform, job.config))

    def close(self) -> None:
        """Lets the threads end after their batches."""
        with self._lock:
            self._closed = True
            self._room.notify_all()
            self._work.notify_all()

    def join(self, patience_s: float) -> None:
        """Waits for the threads, after `close`."""
        join_all(self._threads, patience_s)

    def _reserve(self, job: Job, n_samples: int) -> tuple[_Batch, Float32] | None:
        """A place in the open batch, waited for; None after `close`."""
        with self._lock:
            while not self._closed:
                if self._open is None:
                    capacity = max(BATCH_SAMPLES, samples_of(n_samples, job.config))
                    signal = LongSignal(job.config, capacity, pinned=self._device.type == "cuda")
                    self._open = _Batch(signal)
                batch = self._open
                room = batch.signal.reserve(n_samples) if batch.signal.config == job.config else None
                if room is not None:
                    batch.jobs.append(job)
                    batch.being_written += 1
                    self._work.notify()
                    return batch, room
                self._room.wait()
            return None

    def _run(self) -> None:
        frontends: dict[FrontendConfig, TorchFrontend] = {}
        while (batch := self._next_batch()) is not None:
            try:
                results: Sequence[Spectrogram | BaseException] = self._compute(batch.signal, frontends)
            except Exception as error:  # noqa: BLE001 -- a bug here must reach whoever waits, not end this thread
                results = [error] * len(batch.jobs)
            for job, result in zip(batch.jobs, results, strict=True):
                self._deliver(job, result)

    def _next_batch(self) -> _Batch | None:
        """The open one, waited for, once it is written; None after `close`."""
        with self._lock:
            while self._open is None and not self._closed:
                self._work.wait()
            batch, self._open = self._open, None
            self._room.notify_all()
            while batch is not None and batch.being_written and not self._closed:
                self._work.wait()
            return None if self._closed else batch

    def _compute(self, signal: LongSignal, frontends: dict[FrontendConfig, TorchFrontend]) -> Sequence[Spectrogram]:
        if not self.gave_up:
            try:
                if signal.config not in frontends:
                    frontends[signal.config] = TorchFrontend(signal.config, self._device)
                return frontends[signal.config].spectrograms(signal)
            except RuntimeError as error:  # torch.OutOfMemoryError is one, and whatever else CUDA reports
                self._give_up(error)
        frontends.clear()
        return [spectrogram(waveform, signal.config) for waveform in signal.waveforms()]

    def _give_up(self, error: RuntimeError) -> None:
        with self._lock:
            first, self.gave_up = not self.gave_up, True
        if first:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            text = f"{self._device}: {reason}; spectrograms are made on the CPU from here on"
            self._events.emit("frontend_to_cpu", text, device=str(self._device), reason=reason)
