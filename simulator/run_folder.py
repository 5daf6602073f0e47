"""The folder that keeps what happened in a run."""

import shutil
from pathlib import Path

from kernel_src.errors import KernelError


def empty_run_folder(out: Path, marker: str) -> Path:
    """An empty folder for results; older results in it are removed, anything else is left alone.

    Args:
        out: the folder.
        marker: the file by which older results are known; an empty one is made.

    Returns:
        The folder's absolute path.

    Raises:
        KernelError: the folder holds something that no run has made.
    """
    if out.exists():
        if not out.is_dir() or (any(out.iterdir()) and not (out / marker).is_file()):
            raise KernelError(f"{out} holds files that no such run has made; choose another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / marker).touch()
    return out.resolve()


def keep_working_folder(working: Path, kept: Path) -> None:
    """Copies what the kernel wrote, less what is no file.

    Raises:
        KernelError: there is no room for it.
    """
    try:
        shutil.copytree(working, kept, symlinks=True, ignore=_special_files)
    except (OSError, shutil.Error) as error:
        raise KernelError(f"what the kernel wrote cannot be kept in {kept}: {error}") from error


def _special_files(folder: str, names: list[str]) -> set[str]:
    paths = {name: Path(folder, name) for name in names}
    return {n for n, path in paths.items() if not (path.is_symlink() or path.is_file() or path.is_dir())}
