"""Workers that compute the batches of a pass side by side: one a GPU, or one a core of the processor."""

import queue
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from kernel_src.cpus import usable_cpus
from kernel_src.events import EventLog

CPU = torch.device("cpu")

BATCHES_AHEAD = 2
"""Batches for each worker that may wait or run: one runs, and the next is at hand."""

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Crew:
    """Computes batches on whichever device is free.

    On processors a core a worker does more than all cores for one batch: threads that share a network wait for each
    other after every operation, and where a neighbour takes a core, for the neighbour too.

    Args:
        devices: one worker each.
        events: is told of a GPU that fails; its work goes to the others, and to the processor when none is left.
    """

    def __init__(self, devices: Sequence[torch.device], events: EventLog) -> None:
        self._events = events
        self._size = len(devices)
        self._working = self._size
        self._free: queue.SimpleQueue[torch.device] = queue.SimpleQueue()
        for device in devices:
            self._free.put(device)
        self._pool = ThreadPoolExecutor(max(self._size, usable_cpus()), thread_name_prefix="crew")

    def run(
        self,
        batches: Sequence[Batch],
        compute: Callable[[Batch, torch.device], Result],
        deliver: Callable[[Result], object],
    ) -> None:
        """Computes all batches and delivers the results in the batches' order, in the calling thread.

        Raises:
            Exception: what `compute` raised on a processor; batches that have begun come to their end first.
        """
        if self._size == 1 and self._working == 1:
            for batch in batches:
                deliver(self._compute(compute, batch))
            return
        begun: deque[Future[Result]] = deque()
        try:
            for batch in batches:
                if len(begun) >= BATCHES_AHEAD * self._size:
                    deliver(begun.popleft().result())
                begun.append(self._pool.submit(self._compute, compute, batch))
            while begun:
                deliver(begun.popleft().result())
        finally:
            for future in begun:
                future.cancel()

    def close(self) -> None:
        """Lets the workers go; one that hangs is left behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _compute(self, compute: Callable[[Batch, torch.device], Result], batch: Batch) -> Result:
        while True:
            device = self._free.get()
            try:
                result = compute(batch, device)
            except RuntimeError as error:  # torch's errors, CUDA's among them
                if device.type == CPU.type:
                    self._free.put(device)
                    raise
                self._retire(device, error)
            except BaseException:
                self._free.put(device)
                raise
            else:
                self._free.put(device)
                return result

    def _retire(self, device: torch.device, error: RuntimeError) -> None:
        """A GPU that has failed once gives wrong or no results from then on."""
        reason = str(error).splitlines()[0]
        self._events.emit("device_failed", f"{device}: {reason}; going on without", device=str(device), reason=reason)
        self._working -= 1
        if self._working == 0:
            self._size = self._working = usable_cpus()
            for _ in range(self._size):
                self._free.put(CPU)
