"""Files that are whole at any moment."""

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
        part.unlink(missing_ok=True)
        raise KernelError(f"{path}: cannot be written ({error.strerror}); make room") from error
