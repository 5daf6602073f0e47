"""A file system of exactly the quota's size: an ext4 image on a loop device, in a mount namespace of our own."""

import contextlib
import ctypes
import os
import shutil
import subprocess
from pathlib import Path

CLONE_NEWNS = 0x00020000  # from Linux' sched.h
SPARE_BYTES = 64 * 10**6  # more than the file system's own tables take, at any size up to some 10 GB
TABLES_SHARE = 0.02
ALIGNMENT_BYTES = 4096
EXTENTS_BYTES = 64 * ALIGNMENT_BYTES  # what the ballast's own tables may take


def own_mount_namespace() -> None:
    """Gives this process mounts of its own: what it mounts is seen by nobody else and goes when it goes.

    Raises:
        OSError: this user may not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    _run("mount", "--make-rprivate", "/")


class DiskImage:
    """A mounted image. Whatever is written to it, unlinked files too, counts, and no byte more than the quota goes in.

    Args:
        image: where the image's file is made; it is unlinked at once and goes with the mount.
        folder: where it is mounted.
        quota_bytes: what may be written.
    """

    means = "ext4 image"

    def __init__(self, image: Path, folder: Path, quota_bytes: int) -> None:
        self.folder = folder
        self._quota_bytes = quota_bytes
        folder.mkdir(parents=True, exist_ok=True)
        size_bytes = int(quota_bytes * (1 + TABLES_SHARE)) + SPARE_BYTES
        try:
            _make_file_system(image, size_bytes)
            _run("mount", "-o", "loop,noatime", str(image), str(folder))
        finally:
            image.unlink(missing_ok=True)
        self._ballast = folder / "ballast"
        try:
            self._hold_back(self._free_bytes() - quota_bytes)
        except OSError:
            self.unmount()
            raise

    def used_bytes(self) -> int:
        """Disk in use now."""
        return max(0, self._quota_bytes - self._free_bytes())

    def fill(self) -> None:
        """Takes all that is free."""
        used_bytes = self.used_bytes()
        self._hold_back(self._ballast.stat().st_size + max(0, self._free_bytes() - EXTENTS_BYTES))
        with self._ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:  # until the last block is gone and the file system says so
                file.write(bytes(ALIGNMENT_BYTES))
        self._quota_bytes = used_bytes

    def unmount(self) -> None:
        """Lets the image go."""
        _run("umount", "--lazy", str(self.folder))

    def _free_bytes(self) -> int:
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def _hold_back(self, size_bytes: int) -> None:
        with self._ballast.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size_bytes))


class ReadOnlyCopy:
    """A copy of a folder on a file system of its own, so that reading it can be slowed down. Nothing of it is cached.

    Args:
        image: where the image's file is made; it is unlinked at once and goes with the mount.
        folder: where it is mounted.
        original: what is copied; links are followed.
    """

    def __init__(self, image: Path, folder: Path, original: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        paths = [path for path in original.iterdir() if path.is_file() or path.is_fifo()]
        files_bytes = sum(max(path.stat().st_size, ALIGNMENT_BYTES) for path in paths)
        try:
            _make_file_system(image, int(files_bytes * (1 + TABLES_SHARE)) + SPARE_BYTES)
            _run("mount", "-o", "loop", str(image), str(folder))
            for path in paths:
                if path.is_file():
                    shutil.copyfile(path, folder / path.name)
                else:
                    os.mkfifo(folder / path.name)
            _run("umount", str(folder))
            _run("mount", "-o", "loop,ro", str(image), str(folder))
        finally:
            image.unlink(missing_ok=True)

    @property
    def device(self) -> int:
        """The number of the block device, as in `st_dev`."""
        return self.folder.stat().st_dev

    def unmount(self) -> None:
        """Lets the copy go."""
        _run("umount", "--lazy", str(self.folder))


def _make_file_system(image: Path, size_bytes: int) -> None:
    with image.open("wb") as file:
        file.truncate(size_bytes // ALIGNMENT_BYTES * ALIGNMENT_BYTES)
    options = ["-b", str(ALIGNMENT_BYTES), "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1"]
    _run("mkfs.ext4", "-q", "-F", *options, str(image))


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise OSError(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise OSError(f"{command[0]}: {error.stderr.strip()}") from error
