"""The submissions of a run as they were written, so that the score over time can be drawn."""

import shutil
import stat
from pathlib import Path

MOST_KEPT = 48


class SubmissionHistory:
    """Keeps a copy of each submission when a new one appears; when there are too many, every second one is dropped.

    Args:
        submission: the file that the kernel writes.
        folder: where the copies go, each named by its second.
    """

    def __init__(self, submission: Path, folder: Path) -> None:
        self._submission = submission
        self._folder = folder
        self._seen: tuple[int, int, int] | None = None
        self.kept: list[tuple[float, Path]] = []
        folder.mkdir(parents=True)

    def look(self, t_s: float) -> None:
        """Copies the submission where it has changed since the last look."""
        copy = self._folder / f"{t_s:013.6f}.csv"  # two looks may follow close upon each other
        try:
            status = self._submission.stat()
            state = (status.st_ino, status.st_mtime_ns, status.st_size)
            if state == self._seen or not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for a writer
                return
            shutil.copyfile(self._submission, copy)
        except OSError:  # gone again, closed to us, or no room for a copy: none of it is the kernel's end
            copy.unlink(missing_ok=True)
            return
        self._seen = state
        self.kept.append((t_s, copy))
        self._thin_out()

    def _thin_out(self) -> None:
        if len(self.kept) <= MOST_KEPT:
            return
        for _, path in self.kept[1:-1:2]:
            path.unlink(missing_ok=True)
        self.kept = [*self.kept[:-1:2], self.kept[-1]]
