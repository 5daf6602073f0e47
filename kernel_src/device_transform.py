"""Waveforms to spectrograms in batches on a device, for those who decode.

A device computes what has gathered while it was busy: the faster the decoders, the larger the batches. When the device
has no memory left, or cannot compute at all, the CPU takes over for good.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.events import EventLog
from kernel_src.frontend import FrontendConfig, spectrogram
from kernel_src.schedule import Job
from kernel_src.torch_frontend import TorchFrontend

Float32 = npt.NDArray[np.float32]
Spectrogram = npt.NDArray[np.float16]
Deliver = Callable[[Job, Spectrogram | BaseException], None]

BACKLOG_SAMPLES = 1 << 24
"""Samples that wait for a device at most, 67 MB: decoders that are faster than it wait, too."""


class DeviceTransform:
    """Makes spectrograms in batches on a device, in a thread of its own.

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
        self._frontends: dict[FrontendConfig, TorchFrontend] = {}
        self._waiting: deque[tuple[Job, Float32]] = deque()
        self._waiting_samples = 0
        self._changed = threading.Condition()
        self.gave_up = False
        self._closed = False
        threading.Thread(target=self._run, name="device-frontend", daemon=True).start()

    def submit(self, job: Job, waveform: Float32) -> None:
        """Puts a waveform in line; waits while the line is long."""
        if self.gave_up:
            self._deliver(job, spectrogram(waveform, job.config))
            return
        with self._changed:
            while self._waiting and self._waiting_samples + len(waveform) > BACKLOG_SAMPLES and not self._closed:
                self._changed.wait()
            self._waiting.append((job, waveform))
            self._waiting_samples += len(waveform)
            self._changed.notify_all()

    def close(self) -> None:
        """Lets the thread end after its batch."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while batch := self._next_batch():
            jobs = [job for job, _ in batch]
            waveforms = [waveform for _, waveform in batch]
            try:
                results: Sequence[Spectrogram | BaseException] = self._compute(jobs[0].config, waveforms)
            except Exception as error:  # noqa: BLE001 -- a bug here must reach whoever waits, not end this thread
                results = [error] * len(jobs)
            for job, result in zip(jobs, results, strict=True):
                self._deliver(job, result)

    def _next_batch(self) -> list[tuple[Job, Float32]]:
        """All that waits and has the first one's configuration; waited for; empty after `close`."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return []
            config = self._waiting[0][0].config
            batch = [item for item in self._waiting if item[0].config == config]
            self._waiting = deque(item for item in self._waiting if item[0].config != config)
            self._waiting_samples -= sum(len(waveform) for _, waveform in batch)
            self._changed.notify_all()
            return batch

    def _compute(self, config: FrontendConfig, waveforms: Sequence[Float32]) -> Sequence[Spectrogram]:
        if not self.gave_up:
            try:
                return self._frontend(config).spectrograms(waveforms)
            except RuntimeError as error:  # torch.OutOfMemoryError is one, and whatever else CUDA reports
                self._give_up(error)
        return [spectrogram(waveform, config) for waveform in waveforms]

    def _frontend(self, config: FrontendConfig) -> TorchFrontend:
        if config not in self._frontends:
            self._frontends[config] = TorchFrontend(config, self._device)
        return self._frontends[config]

    def _give_up(self, error: RuntimeError) -> None:
        self.gave_up = True
        self._frontends.clear()
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        text = f"{self._device}: {reason}; spectrograms are made on the CPU from here on"
        self._events.emit("frontend_to_cpu", text, device=str(self._device), reason=reason)
