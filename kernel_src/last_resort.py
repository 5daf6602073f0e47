"""Writes what there is and leaves, when the time is up or the machine asks us to go, whatever the rest is doing."""

import os
import signal
import threading
from collections.abc import Callable

from kernel_src.budget import TimeBudget
from kernel_src.events import EventLog

# The margin before the limit at which the run is ended by force, as a share of the reserve.
MARGIN_SHARE = 0.5


class LastResort:
    """A thread that waits for SIGTERM or for the middle of the reserve, and then ends the process.

    It waits for the signal itself rather than in a handler: Python runs handlers in the main thread only, between two
    bytecodes, and the main thread may hang in a decoder, a GPU call or a stalled disk. Make it before any other
    thread, so that all of them leave the signal to it.

    Args:
        budget: says how long to wait.
        write: writes the newest submission; may take some seconds, and may fail.
        events: is told why the run ends.
        leave: ends the process with an exit code, without waiting for anything.
    """

    def __init__(
        self,
        budget: TimeBudget,
        write: Callable[[], object],
        events: EventLog,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._budget = budget
        self._write = write
        self._events = events
        self._leave = leave
        self._done = threading.Event()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # threads made from here on inherit this
        threading.Thread(target=self._watch, name="last-resort", daemon=True).start()

    def stand_down(self) -> None:
        """The run has ended by itself: SIGTERM and the limit are its own affair again."""
        self._done.set()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def _watch(self) -> None:
        reason = ""
        while not reason and not self._done.is_set():
            left_s = self._budget.until_limit_s - MARGIN_SHARE * self._budget.reserve_s
            if signal.sigtimedwait({signal.SIGTERM}, min(0.2, max(0.0, left_s))) is not None:
                reason = "SIGTERM"
            elif left_s <= 0:
                reason = "the time is up and something hangs"
        if self._done.is_set():
            return
        # Writing may hang too, on a stalled disk: leave all the same. The submission that is there stays valid.
        writer = threading.Thread(target=self._write_newest, name="last-write", daemon=True)
        writer.start()
        writer.join(min(1.5, 0.5 * MARGIN_SHARE * self._budget.reserve_s))
        self._events.emit("run_ended", f"ended from outside: {reason}", reason=reason)
        self._leave(0)

    def _write_newest(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - nothing may keep the process from leaving
            self._events.emit("write_failed", f"the last write failed: {error}", error=str(error))
