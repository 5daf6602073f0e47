"""The submissions of a run as they were written, so that the score over time can be drawn."""

import shutil
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
        try:
            status = self._submission.stat()
            state = (status.st_ino, status.st_mtime_ns, status.st_size)
            if state == self._seen:
                return
            with self._submission.open("rb") as file, self._name(t_s).open("wb") as copy:
                shutil.copyfileobj(file, copy)
        except FileNotFoundError:
            return
        self._seen = state
        self.kept.append((t_s, self._name(t_s)))
        self._thin_out()

    def _name(self, t_s: float) -> Path:
        return self._folder / f"{t_s:09.2f}.csv"

    def _thin_out(self) -> None:
        if len(self.kept) <= MOST_KEPT:
            return
        for _, path in self.kept[1:-1:2]:
            path.unlink(missing_ok=True)
        self.kept = [*self.kept[:-1:2], self.kept[-1]]
