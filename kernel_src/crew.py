"""Workers that compute the batches of a pass side by side: a few for each GPU, or one a core of the processor."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

import torch

from kernel_src.cpus import usable_cpus
from kernel_src.events import EventLog
from kernel_src.threads import join_all

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
        devices: one worker each; a device may be there several times.
        events: is told of a GPU that fails; its work goes to the others, and to the processor when none is left.
    """

    def __init__(self, devices: Sequence[torch.device], events: EventLog) -> None:
        self.devices = tuple(devices)
        self._events = events
        self._size = len(devices)
        self._working = self._size
        self._failed: set[torch.device] = set()
        self._lock = threading.Lock()
        self._free: queue.SimpleQueue[torch.device] = queue.SimpleQueue()
        for device in devices:
            self._free.put(device)
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

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
        self._start_threads()
        begun: deque[Future[Result]] = deque()
        try:
            for batch in batches:
                if len(begun) >= BATCHES_AHEAD * self._size:
                    deliver(begun.popleft().result())
                begun.append(self._begin(compute, batch))
            while begun:
                deliver(begun.popleft().result())
        finally:
            for future in begun:
                future.cancel()

    def run_aside(self, work: Callable[[], object]) -> None:
        """Lets one worker do something else before its next batch, while the others go on; a lone worker does not.

        Args:
            work: what; it raises nothing, for nobody asks what came of it.
        """
        if self._size > 1:
            self._start_threads()
            self._jobs.put(work)

    def close(self, patience_s: float = 0.0) -> None:
        """Lets the workers go, and waits for them up to `patience_s` seconds; one that hangs is left behind."""
        for _ in self._threads:
            self._jobs.put(None)
        join_all(self._threads, patience_s)

    def _start_threads(self) -> None:
        missing = max(self._size, usable_cpus()) - len(self._threads)
        for _ in range(missing):  # daemons: one that hangs must not hold up the end of the process
            thread = threading.Thread(target=self._work, name="crew", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _begin(self, compute: Callable[[Batch, torch.device], Result], batch: Batch) -> Future[Result]:
        future: Future[Result] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = self._compute(compute, batch)
            except BaseException as error:  # noqa: BLE001 - it is raised where the result is waited for
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(job)
        return future

    def _compute(self, compute: Callable[[Batch, torch.device], Result], batch: Batch) -> Result:
        while True:
            device = self._free.get()
            if device in self._failed:
                self._lose_worker()
                continue
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
        with self._lock:
            first = device not in self._failed
            self._failed.add(device)
        if first:
            reason = str(error).splitlines()[0]
            text = f"{device}: {reason}; going on without"
            self._events.emit("device_failed", text, device=str(device), reason=reason)
        self._lose_worker()

    def _lose_worker(self) -> None:
        with self._lock:
            self._working -= 1
            if self._working:
                return
            self._size = self._working = usable_cpus()
        for _ in range(self._size):
            self._free.put(CPU)
