"""Who may still take memory: asked before each spectrogram that wants to stay there."""

import threading
from dataclasses import dataclass
from enum import Enum

from kernel_src.memory import MemoryReader, QuickReader

ROOMY_BYTES = 64 << 20
"""With this much room left, memory may be taken in huge pages: 16 threads overshoot by half of it at most."""


class Change(Enum):
    """What an answer changed for those who come after."""

    SPILL_BEGAN = "spill_began"
    SPILL_ENDED = "spill_ended"


@dataclass(frozen=True)
class Admission:
    """The gate's answer."""

    granted: bool
    """Whether the item may be kept in memory."""
    roomy: bool
    """Whether so much is left that a little more than asked for does no harm."""
    change: Change | None
    """Whether this answer is the first of its kind after the other kind."""
    used_bytes: int
    """What was in use at most, promises included."""
    limit_bytes: int
    """The limit that this was held against."""


class MemoryGate:
    """Lets items into memory below one mark, and after the first refusal only below a lower one.

    Args:
        reader: what is in use, of how much.
        limit_bytes: a limit besides the reader's; the lesser one holds.
        reserve_bytes: kept free below the marks.
        spill_at: the share of the limit at which items are refused.
        resume_at: the share below which they are let in again.
    """

    def __init__(
        self, reader: MemoryReader, limit_bytes: int, reserve_bytes: int, spill_at: float, resume_at: float
    ) -> None:
        self._reader = reader
        # The quick figure is never too low: where it leaves room, so does the true one.
        quick = [reader.at_most_bytes] if isinstance(reader, QuickReader) else []
        self._readings = (*quick, reader.used_bytes)
        self._limit_bytes = limit_bytes
        self._reserve_bytes = reserve_bytes
        self._spill_at = spill_at
        self._resume_at = resume_at
        self._lock = threading.Lock()
        self._promised_bytes = 0
        self._refuses = False

    def enter(self, nbytes: int) -> Admission:
        """Asks for `nbytes`. What is granted counts as in use until `leave` says that the reader sees it.

        Raises:
            OSError: the reader cannot read.
        """
        with self._lock:
            limit = self._least_limit_bytes()
            mark = self._resume_at if self._refuses else self._spill_at
            for reading in self._readings:
                used = reading() + self._promised_bytes
                room = mark * limit - self._reserve_bytes - used - nbytes
                if room > 0:
                    break
            refuses = room <= 0
            change = None
            if refuses != self._refuses:
                change = Change.SPILL_BEGAN if refuses else Change.SPILL_ENDED
            self._refuses = refuses
            if not refuses:
                self._promised_bytes += nbytes
        return Admission(not refuses, room > ROOMY_BYTES, change, used, limit)

    def leave(self, nbytes: int) -> None:
        """Takes a promise back: its memory is in use by now, or never will be."""
        with self._lock:
            self._promised_bytes -= nbytes

    def _least_limit_bytes(self) -> int:
        limit = self._reader.limit_bytes()
        return self._limit_bytes if limit is None else min(limit, self._limit_bytes)
