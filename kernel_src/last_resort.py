"""Writes what there is and leaves, when the time is up or the machine asks us to go, whatever the rest is doing."""

import os
import signal
import threading
from collections.abc import Callable

from kernel_src.budget import TimeBudget
from kernel_src.events import EventLog

AT_SIGTERM_S = 1.5
"""How long a write may take when the machine asks us to go: whoever asks kills soon after."""

LOOK_EVERY_S = 0.2
"""How often to look whether the machine has asked us to go."""

TO_TELL_S = 0.2
"""How long the last line of the event log may take."""


class LastResort:
    """A thread that waits for SIGTERM or for the last call of the budget, and then ends the process.

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
            self._done.wait(min(LOOK_EVERY_S, self._budget.until_last_call_s))
            # Not sigtimedwait: when the process is suspended and goes on, it may tell of a signal that nobody sent.
            if signal.SIGTERM in signal.sigpending():
                reason = "SIGTERM"
            elif self._budget.until_last_call_s <= 0:
                reason = "the time is up and something hangs"
        if self._done.is_set():
            return
        patience_s = self._budget.until_leaving_s
        _try(self._write_newest, min(AT_SIGTERM_S, patience_s) if reason == "SIGTERM" else patience_s)
        _try(lambda: self._events.emit_last("run_ended", f"ended from outside: {reason}", reason=reason), TO_TELL_S)
        self._leave(0)

    def _write_newest(self) -> None:
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 - nothing may keep the process from leaving
            self._events.emit("write_failed", f"the last write failed: {error}", error=str(error))


def _try(action: Callable[[], object], patience_s: float) -> None:
    """Does something that may hang, on a stalled disk perhaps, and goes on all the same."""
    thread = threading.Thread(target=action, name="last-words", daemon=True)
    thread.start()
    thread.join(patience_s)
