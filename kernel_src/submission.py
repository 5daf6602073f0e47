"""submission.csv: complete, checked, and replaced by a rename, so that a valid one is there at every moment.

Only the standard library is imported here: the first submission is written before anything else is loaded.
"""

import csv
import io
import math
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from kernel_src.clips import ClipList
from kernel_src.errors import KernelError

SUBMISSION_NAME = "submission.csv"


class Submission:
    """The submission of one run.

    Args:
        folder: where submission.csv goes.
        clips: its rows and columns.
    """

    def __init__(self, folder: Path, clips: ClipList) -> None:
        self.path = folder / SUBMISSION_NAME
        self._clips = clips
        self._header = _csv_line(["fname", *clips.labels])
        self._names = [_csv_line([fname]).rstrip("\n") for fname in clips.fnames]
        self._lock = threading.Lock()
        self._version = -1
        self._spare = folder / f".{SUBMISSION_NAME}.spare"

    def write(self, rows: Iterable[Sequence[float]], version: int, lock_timeout_s: float = -1) -> bool:
        """Writes all rows, unless a newer version is there already.

        Args:
            rows: [clips, labels] values in the order of the clip list. Neighbours that are one object are read once.
            version: grows with each write; a late writer with an older one changes nothing.
            lock_timeout_s: how long to wait for a writer that is under way; -1 for as long as it takes.

        Returns:
            Whether these rows are now the submission.

        Raises:
            KernelError: the rows do not fit the clip list, or a value is not finite.
            OSError: the disk does not take the file; the old submission is still there.
        """
        text = self._as_csv(rows)
        if not self._lock.acquire(timeout=lock_timeout_s):
            return False
        try:
            if version <= self._version:
                return False
            content = text.encode()
            if not self._write_over_spare(content):
                self._write_anew(content)
            self._version = version
            return True
        finally:
            self._lock.release()

    @property
    def is_there(self) -> bool:
        """Whether any write has come to its end."""
        return self._version >= 0

    def remove_spare(self) -> None:
        """Gives the spare's room back: there will be no more writes."""
        self._spare.unlink(missing_ok=True)

    def _write_over_spare(self, content: bytes) -> bool:
        """Writes in place of the version before the last, whose blocks are ours even when the disk is full by now.

        Returns:
            Whether there was a spare of the right size, on a file system that links files. The submission is there at
            every moment: it is linked to a second name before the new one takes its place.
        """
        before = self._spare.with_suffix(".before")
        try:
            with self._spare.open("r+b") as file:
                if file.seek(0, os.SEEK_END) != len(content):
                    return False
                file.seek(0)
                _write_durably(file, content)
            before.unlink(missing_ok=True)
            os.link(self.path, before)
            self._spare.replace(self.path)
            before.replace(self._spare)
        except OSError:
            return False
        return True

    def _write_anew(self, content: bytes) -> None:
        """Writes a new file, and a spare beside it where there is room."""
        part = self.path.with_name(f".{self.path.name}.part")
        try:
            with part.open("wb") as file:
                _write_durably(file, content)
            part.replace(self.path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        try:
            with self._spare.open("wb") as file:
                _write_durably(file, content)
        except OSError:
            self._spare.unlink(missing_ok=True)

    def _as_csv(self, rows: Iterable[Sequence[float]]) -> str:
        labels = self._clips.labels
        # 17 digits tell all doubles apart: rounding would tie labels, and ties cost score. Every value from 1e-99 to
        # 1e99 takes as many characters, so that all versions of the file have the same size.
        values = ",%.16e" * len(labels) + "\n"
        parts = [self._header]
        last: Sequence[float] | None = None
        for name, row in zip(self._names, rows, strict=True):
            if row is not last:  # the first submission is the same row for all clips
                if len(row) != len(labels) or not all(map(math.isfinite, row)):
                    raise KernelError(f"{self.path}: the row of {name} must be {len(labels)} finite numbers")
                text, last = values % tuple(row), row
            parts.append(name + text)
        return "".join(parts)


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _write_durably(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())
