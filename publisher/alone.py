"""A folder for one process at a time: two that fetch into it would spoil each other's files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel_src.errors import KernelError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keeps other calls out of a folder, which is made where it is missing.

    Raises:
        KernelError: another call is at work there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KernelError(
                f"{folder}: another publish.py is at work in it; wait for it, or choose another folder with --out"
            ) from None
        except OSError:
            pass  # a network's folder may know no locks
        yield
    finally:
        os.close(lock)
