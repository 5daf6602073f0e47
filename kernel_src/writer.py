"""When submission.csv is written: after each pass, in long passes now and then, and in the last moment."""

import itertools

from kernel_src.blend import Blend
from kernel_src.budget import TimeBudget
from kernel_src.events import EventLog
from kernel_src.submission import Submission

WRITE_EVERY_S = 20.0
"""A pass may take minutes; a kill in its middle must not cost more than this."""

LAST_WRITE_WAIT_S = 0.5
"""How long the last write waits for one that is under way, which may hang."""


class SubmissionWriter:
    """Writes the newest blend.

    Args:
        submission: where to.
        blend: what.
        budget: the clock.
        events: is told of every write, and of every one that fails.
    """

    def __init__(self, submission: Submission, blend: Blend, budget: TimeBudget, events: EventLog) -> None:
        self.blend = blend
        self._submission = submission
        self._budget = budget
        self._events = events
        self._versions = itertools.count(1)  # next() on it is atomic: the last write comes from another thread
        self._written_at_s = budget.elapsed_s()

    def write(self, passes: int) -> None:
        """Writes now. A disk that does not take the file is an event: the older submission is still there."""
        began_s = self._budget.elapsed_s()
        try:
            self._submission.write(self.blend.probabilities(), next(self._versions))
        except OSError as error:
            self._events.emit("write_failed", f"{error}; the submission before stays", error=str(error))
        else:
            self._tell(passes, self._budget.elapsed_s() - began_s)
        self._written_at_s = self._budget.elapsed_s()

    def write_if_due(self, passes: int) -> None:
        """Writes if the last write is long ago."""
        if self._budget.elapsed_s() - self._written_at_s > WRITE_EVERY_S:
            self.write(passes)

    def write_last(self) -> None:
        """Writes in the last moment, unless no pass has reached a clip or another write hangs.

        Raises:
            OSError: the disk does not take the file.
        """
        if self.blend.reached:
            self._submission.write(self.blend.probabilities(), next(self._versions), LAST_WRITE_WAIT_S)

    def _tell(self, passes: int, seconds_s: float) -> None:
        reached = self.blend.reached
        text = f"{reached} clips tagged, {passes} passes, in {seconds_s:.2f} s"
        self._events.emit("submission_written", text, passes=passes, rows=reached, seconds_s=round(seconds_s, 3))
