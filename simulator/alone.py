"""A folder for one process at a time: two that write into it would spoil each other's files."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel_src.errors import KernelError


@contextmanager
def alone_in(folder: Path, who: str, option: str = "--out") -> Iterator[None]:
    """Keeps others out of a folder, until the end or until this process is killed.

    Args:
        folder: made where it is missing.
        who: what may be at work there, to say so: "run".
        option: by which another folder is chosen.

    Raises:
        KernelError: another one is at work there.
        OSError: the folder cannot be made or read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KernelError(
                f"{folder} is in use by another {who}; wait for it, or choose another with {option}"
            ) from None
        except OSError:
            pass  # a network's folder may know no locks
        yield
    finally:
        os.close(lock)
