"""The folder that keeps what happened in a run."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from kernel_src.errors import KernelError
from simulator.alone import alone_in


@contextlib.contextmanager
def emptied_run_folder(out: Path, marker: str) -> Iterator[Path]:
    """An empty folder for results, which no other run may use meanwhile; older results in it are removed.

    Args:
        out: the folder, or a link to one; what no run has made is left alone.
        marker: the file by which older results are known; an empty one is made.

    Yields:
        The folder's absolute path.

    Raises:
        KernelError: the folder holds something that no run has made, is in use, or cannot be written to.
    """
    with contextlib.ExitStack() as stack:
        try:
            if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / marker).is_file())):
                raise KernelError(f"{out} holds files that no such run has made; choose another folder with --out")
            stack.enter_context(alone_in(out, "run"))
            _empty(out, marker)
        except OSError as error:
            raise KernelError(
                f"{out} cannot take the results ({error.strerror or error}); choose another folder with --out"
            ) from error
        yield out.resolve()


def folder_beside(out: Path, purpose: str) -> Path:
    """The folder for another run that belongs to the one in `out`."""
    named = out if out.name else out.absolute()  # "." has no name
    return named.with_name(f"{named.name}-{purpose}")


def keep_working_folder(working: Path, kept: Path) -> None:
    """Copies what the kernel wrote, less what is no file.

    Raises:
        KernelError: there is no room for it.
    """
    try:
        shutil.copytree(working, kept, symlinks=True, ignore=_special_files, copy_function=_copy_with_holes)
    except shutil.Error as error:  # one for all files that failed
        _, _, reason = error.args[0][0]
        raise KernelError(f"what the kernel wrote cannot be kept in {kept}: {reason}") from error
    except OSError as error:
        raise KernelError(f"what the kernel wrote cannot be kept in {kept}: {error}") from error


def _empty(out: Path, marker: str) -> None:
    """Removes all but the marker, by which the rest would still be known if this were interrupted."""
    for path in out.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != marker:
            path.unlink()
    (out / marker).write_bytes(b"")


def _special_files(folder: str, names: list[str]) -> set[str]:
    paths = {name: Path(folder, name) for name in names}
    return {n for n, path in paths.items() if not (path.is_symlink() or path.is_file() or path.is_dir())}


def _copy_with_holes(source: str, target: str) -> None:
    """Copies a file's data and leaves its holes, so that one made large beforehand takes no more room than it did."""
    with Path(source).open("rb") as original, Path(target).open("wb") as copy:
        size_bytes = os.fstat(original.fileno()).st_size
        copy.truncate(size_bytes)
        begin = _next_data(original.fileno(), 0)
        while begin is not None:
            end = os.lseek(original.fileno(), begin, os.SEEK_HOLE)
            os.lseek(copy.fileno(), begin, os.SEEK_SET)
            while begin < end and (sent := os.sendfile(copy.fileno(), original.fileno(), begin, end - begin)):
                begin += sent
            begin = _next_data(original.fileno(), end)
    shutil.copystat(source, target)


def _next_data(file: int, begin: int) -> int | None:
    """Where a file's next data begin; None where none are left."""
    try:
        return os.lseek(file, begin, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return None
