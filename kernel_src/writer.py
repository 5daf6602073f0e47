"""When submission.csv is written: after passes, in long passes now and then, and in the last moment."""

import itertools
import threading
from collections.abc import Callable, Iterator

from kernel_src.blend import Blend
from kernel_src.budget import TimeBudget
from kernel_src.events import EventLog
from kernel_src.submission import Submission

WRITE_EVERY_S = 20.0
"""A pass may take minutes; a kill in its middle must not cost more than this."""

PAUSE_PER_WRITE = 50.0
"""After a write, passes may end without another for so many times what it cost: short passes come many a second."""

LAST_WRITE_WAIT_S = 0.5
"""How long the last write waits for one that is under way, which may hang."""


class SubmissionWriter:
    """Writes the newest blend.

    Args:
        submission: where to.
        blend: what.
        budget: the clock; is told what writes cost.
        events: is told of every write, and of every one that fails.
    """

    def __init__(self, submission: Submission, blend: Blend, budget: TimeBudget, events: EventLog) -> None:
        self.blend = blend
        self._submission = submission
        self._budget = budget
        self._events = events
        self._versions = itertools.count(1)
        self._lock = threading.Lock()  # a later version must not hold an older blend

    def write(self, passes: int) -> None:
        """Writes now. A disk that does not take the file is an event: the older submission is still there."""
        began_s = self._budget.elapsed_s()
        try:
            written = self._submission.write(*self._newest())
        except OSError as error:
            self._events.emit("write_failed", f"{error}; the submission before stays", error=str(error))
            return
        cost_s = self._budget.elapsed_s() - began_s
        self._budget.note_write(cost_s)
        if written:
            reached = self.blend.reached
            text = f"{reached} clips tagged, {passes} passes, in {cost_s:.2f} s"
            self._events.emit("submission_written", text, passes=passes, rows=reached, seconds_s=round(cost_s, 3))

    def write_last(self) -> None:
        """Writes in the last moment, unless no look has reached a clip or another write hangs.

        Raises:
            OSError: the disk does not take the file.
        """
        if self.blend.reached:
            self._submission.write(*self._newest(), LAST_WRITE_WAIT_S)

    def _newest(self) -> tuple[Iterator[list[float]], int]:
        with self._lock:
            probabilities, version = self.blend.probabilities(), next(self._versions)
        return (row.tolist() for row in probabilities), version


class WritingSchedule:
    """Decides when a write is due.

    Args:
        budget: the clock.
        write: writes, or has it written; is given the number of passes that are done.
    """

    def __init__(self, budget: TimeBudget, write: Callable[[int], object]) -> None:
        self._budget = budget
        self._write = write
        self._asked_at_s = budget.elapsed_s()

    def looks_delivered(self, passes: int) -> None:
        """New looks are in the blend."""
        self._ask_after(WRITE_EVERY_S, passes)

    def pass_ended(self, passes: int) -> None:
        """A pass has come to its end."""
        self._ask_after(min(WRITE_EVERY_S, PAUSE_PER_WRITE * self._budget.last_write_s), passes)

    def _ask_after(self, pause_s: float, passes: int) -> None:
        now_s = self._budget.elapsed_s()
        if now_s - self._asked_at_s >= pause_s:
            self._asked_at_s = now_s
            self._write(passes)


class WritingThread:
    """Writes on a thread of its own, so that a slow disk holds up nothing but itself.

    Args:
        write: writes; is given the number of passes that are done.
    """

    def __init__(self, write: Callable[[int], object]) -> None:
        self._write = write
        self._changed = threading.Condition()
        self._wanted: int | None = None
        self._ends = False
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def ask(self, passes: int) -> None:
        """Has the newest blend written soon; returns at once."""
        with self._changed:
            self._wanted = passes
            self._changed.notify()

    def finish(self, passes: int, timeout_s: float) -> bool:
        """Writes once more and ends; returns whether that came to its end in time.

        Raises:
            Exception: a fault of our own in one of the writes.
        """
        with self._changed:
            self._wanted, self._ends = passes, True
            self._changed.notify()
        self._thread.join(timeout_s)
        if self._fault is not None:
            raise self._fault
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._wanted is not None or self._ends)
                passes, self._wanted = self._wanted, None
                ends = self._ends
            if passes is not None:
                self._write_or_remember(passes)
            if ends:
                return

    def _write_or_remember(self, passes: int) -> None:
        try:
            self._write(passes)
        except Exception as error:  # noqa: BLE001 - it is raised where the run ends
            self._fault = error
