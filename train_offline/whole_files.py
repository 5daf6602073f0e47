"""Files that are whole at any moment."""

import contextlib
import errno
import os
from pathlib import Path

from kernel_src.errors import KernelError


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file by a rename: a reader sees the old one or the new one, and a full disk costs neither.

    Raises:
        KernelError: it cannot be written; what was there is still there.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        advice = (
            "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose a folder that may be written to"
        )
        raise KernelError(f"{path}: cannot be written ({error.strerror}); {advice}") from error
