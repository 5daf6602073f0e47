"""A slower machine for users without control groups: all processes stand still for a part of every moment."""

import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

PERIOD_S = 0.2


class DutyCycle:
    """Stops and continues processes in turn while the speed is below 1. Use it as a context.

    Args:
        send: sends a signal to all of the processes.
    """

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send
        self._speed = 1.0
        self._still = False
        self._lock = threading.Lock()  # between a stop for good and a continuation on the way
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def set_speed(self, speed: float) -> None:
        """Goes on at this share of full speed."""
        self._speed = speed
        if speed < 1 and self._thread is None:
            self._thread = threading.Thread(target=self._alternate, daemon=True)
            self._thread.start()

    def stand_still(self, still: bool) -> None:
        """Stops all processes until they are told to go on, at whatever speed."""
        with self._lock:
            self._still = still
            self._send(signal.SIGSTOP if still else signal.SIGCONT)

    def _alternate(self) -> None:
        while not self._over.is_set():
            if self._speed < 1:
                self._send(signal.SIGSTOP)
                self._over.wait(PERIOD_S * (1 - self._speed))
                with self._lock:
                    if not self._still:
                        self._send(signal.SIGCONT)
            self._over.wait(PERIOD_S * self._speed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()
