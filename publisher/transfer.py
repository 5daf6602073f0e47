"""Progress of bytes on their way: counted in megabytes, never backwards."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from train_offline.progress import Progress

MEGABYTE_BYTES = 10**6


class Transfer:
    """Counts bytes and passes on whole megabytes.

    Args:
        advance: is told how many megabytes more are done.
    """

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._done_bytes = 0
        self._before_bytes = 0

    def reached(self, position_bytes: int) -> None:
        """The current file is done up to here; going back to send a part again is not counted."""
        old, self._done_bytes = self._done_bytes, max(self._done_bytes, self._before_bytes + position_bytes)
        if whole := self._done_bytes // MEGABYTE_BYTES - old // MEGABYTE_BYTES:
            self._advance(whole)

    def next_file(self) -> None:
        """The current file is complete; the next one begins at zero."""
        self._before_bytes = self._done_bytes


@contextmanager
def shown_transfer(what: str, total_bytes: int) -> Iterator[Transfer]:
    """A transfer that is shown on stderr while it lasts."""
    with Progress(what, total_bytes // MEGABYTE_BYTES, "megabyte") as progress:
        yield Transfer(progress.advance)
