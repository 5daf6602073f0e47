"""The folders that a kernel finds: its script, its inputs, and the places that it may write to."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kernel_src.errors import KernelError


@dataclass(frozen=True)
class WritableArea:
    """The folders that a kernel may write to; together they are under its disk quota."""

    root: Path
    """The folder that holds the others."""

    @property
    def working(self) -> Path:
        """The working folder, where the submission goes."""
        return self.root / "working"

    @property
    def temporary(self) -> Path:
        """The kernel's /tmp, with its home folder inside."""
        return self.root / "tmp"

    def make(self) -> None:
        """Makes the folders."""
        for folder in (self.working, self.temporary, self.temporary / "home"):
            folder.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True)
class KernelView:
    """Where things lie from the kernel's point of view."""

    script: Path
    """The one script."""
    inputs: Path
    """The read-only inputs."""
    working: Path
    """The working folder."""
    temporary: Path
    """The folder for temporary files."""


KAGGLE_VIEW = KernelView(
    script=Path("/kaggle/src/script.py"),
    inputs=Path("/kaggle/input"),
    working=Path("/kaggle/working"),
    temporary=Path("/tmp"),  # noqa: S108 - the sandbox has a /tmp of its own
)


def link_inputs(inputs: Mapping[str, Path], folder: Path) -> None:
    """Makes `folder` show the inputs through symbolic links."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in inputs.items():
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())


def copy_script(script: Path, folder: Path) -> Path:
    """Puts the one script into a folder of its own, as a read-only `script.py`.

    Raises:
        KernelError: there is no such script.
    """
    folder.mkdir(parents=True)
    target = folder / "script.py"
    try:
        shutil.copyfile(script, target)
    except OSError as error:
        raise KernelError(f"{script} cannot be read: {error.strerror}") from error
    target.chmod(0o444)
    return target
