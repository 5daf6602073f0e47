"""Arrays in one unlinked file: claimed before it is written, indexed only after, checked when it is read.

The file has no name, so the system removes it however the process ends. Blocks are claimed with
`posix_fallocate`, which fails cleanly where writing into a full disk would leave a part behind. An array's blocks
are free again when its last handle is gone; so no reader can find another array's bytes there.
"""

import ctypes
import errno
import os
import tempfile
import threading
import weakref
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernel_src.errors import KernelError
from kernel_src.extents import BLOCK_BYTES, Extents, whole_blocks
from kernel_src.file_systems import MEMORY_FILE_SYSTEMS, STAT_BLOCK_BYTES, file_system_type, used_blocks_bytes

SYNC_FILE_RANGE_WRITE = 2  # from Linux' fs.h
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

_LIBC = ctypes.CDLL(None)


class SpillRefusedError(KernelError):
    """The folder is no place to spill to."""


class SpillFullError(KernelError):
    """The quota or the disk leaves no room for the array."""


class SpillDamagedError(KernelError):
    """What was read is not what was written."""


@dataclass(frozen=True)
class SpillSettings:
    """How much of the disk a spill file may take, and how it takes it."""

    quota_bytes: int
    """Blocks of all files in the spill folder together."""
    reserve_bytes: int
    """What stays free of the quota and of the disk itself: for the submission and the event log."""
    chunk_bytes: int = 16 << 20
    """Claimed at a time, for blocks that lie side by side; what is left of the quota is claimed as needed."""


@dataclass(eq=False)
class SpilledArray:
    """Where an array lies in the file. Its blocks are its own as long as this object lives."""

    start: int
    """The first byte, on a block."""
    shape: tuple[int, ...]
    """The array's shape; its type is float16."""
    checksum: int
    """Of its bytes, see `checksum`."""


class SpillFile:
    """The file; safe to use from several threads. It ends with the last reference to it, reads under way included.

    Args:
        folder: where the file is made; the quota is about this folder.
        settings: quota, reserve and chunk.

    Raises:
        SpillRefusedError: the folder's files are memory.
        OSError: no file can be made there.
    """

    def __init__(self, folder: Path, settings: SpillSettings) -> None:
        if (kind := file_system_type(folder)) in MEMORY_FILE_SYSTEMS:
            raise SpillRefusedError(f"{folder} is on {kind}, whose files count as memory; give a folder on a disk")
        self._folder = folder
        self._settings = settings
        with tempfile.TemporaryFile(dir=folder, prefix="spill-", buffering=0) as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor).atexit = False
        self._elsewhere_bytes = used_blocks_bytes(folder)
        self._lock = threading.Lock()
        self._extents = Extents()
        # What ended handles leave behind. They end in any thread, even inside the collector, so not under a lock.
        self._freed: deque[tuple[int, int]] = deque()
        self._end = 0
        self._sent = 0

    def write(self, array: NDArray[np.float16]) -> SpilledArray:
        """Writes an array and returns its handle.

        Raises:
            SpillFullError: there is no room for it.
            OSError: the disk refuses.
        """
        array = np.ascontiguousarray(array)
        size = whole_blocks(array.nbytes)
        start = self._claim(size)
        spilled = SpilledArray(start, array.shape, checksum(array))
        weakref.finalize(spilled, self._freed.append, (start, size)).atexit = False
        try:
            _write_all(self._descriptor, _bytes_of(array), start)
        except OSError as error:
            if error.errno in NO_ROOM:  # a file system that claims no more than it must, such as one that compresses
                raise self._full(size) from error
            raise
        return spilled

    def read(self, spilled: SpilledArray) -> NDArray[np.float16]:
        """The array again, in memory of its own.

        Raises:
            SpillDamagedError: the checksum says that these are other bytes, or the file ends early.
            OSError: the disk refuses.
        """
        array = np.empty(spilled.shape, np.float16)
        _read_all(self._descriptor, _bytes_of(array), spilled.start)
        if checksum(array) != spilled.checksum:
            raise SpillDamagedError(f"wrong checksum at byte {spilled.start} of the spill file")
        return array

    def claimed_bytes(self) -> int:
        """The blocks that the file has on disk, in bytes."""
        return os.fstat(self._descriptor).st_blocks * STAT_BLOCK_BYTES

    def sync(self) -> None:
        """Returns when all that was written has reached the disk (what a benchmark measures)."""
        os.fdatasync(self._descriptor)

    def _claim(self, size: int) -> int:
        with self._lock:
            while self._freed:
                self._extents.add(*self._freed.popleft())
            start = self._extents.take(size)
            if start is not None:
                return start
            unsent, self._sent = self._sent, self._end
            filled = self._end - unsent
            self._grow(size)
            start = self._extents.take(size)
        assert start is not None
        _begin_writeback(self._descriptor, unsent, filled)
        return start

    def _grow(self, size: int) -> None:
        """Claims a chunk, or where that is too much only what the array needs."""
        for wanted in (whole_blocks(max(size, self._settings.chunk_bytes)), size):
            if wanted <= self._room_bytes() and self._claim_blocks(wanted):
                self._extents.add(self._end, wanted)
                self._end += wanted
                return
        raise self._full(size)

    def _full(self, size: int) -> SpillFullError:
        return SpillFullError(
            f"{self.claimed_bytes() / 1e6:.0f} MB are spilled to {self._folder} and the next {size / 1e6:.1f} MB "
            f"would not leave {self._settings.reserve_bytes / 1e6:.0f} MB free for the submission"
        )

    def _room_bytes(self) -> int:
        ours = self.claimed_bytes() + self._elsewhere_bytes
        disk = os.fstatvfs(self._descriptor)
        return min(self._settings.quota_bytes - ours, disk.f_bavail * disk.f_frsize) - self._settings.reserve_bytes

    def _claim_blocks(self, size: int) -> bool:
        try:
            os.posix_fallocate(self._descriptor, self._end, size)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            os.ftruncate(self._descriptor, self._end)  # a failed claim may keep the blocks that it did get
            return False
        return True


def checksum(array: NDArray[np.float16]) -> int:
    """A CRC-32 over the sums of each block's 64-bit words; the bytes after the last whole block go in as they are.

    Any one changed word changes its block's sum, and blocks cannot change places. It costs a tenth of a CRC over
    all bytes, which would take longer than reading them.
    """
    data = _bytes_of(array)
    whole = data.size // BLOCK_BYTES * BLOCK_BYTES
    sums = data[:whole].view(np.uint64).reshape(-1, BLOCK_BYTES // 8).sum(axis=1)
    return zlib.crc32(data[whole:].data, zlib.crc32(sums))


def _bytes_of(array: NDArray[np.float16]) -> NDArray[np.uint8]:
    return array.reshape(-1).view(np.uint8)


def _write_all(descriptor: int, data: NDArray[np.uint8], start: int) -> None:
    done = 0
    while done < data.size:
        written = os.pwrite(descriptor, data[done:].data, start + done)
        if written == 0:
            raise OSError(errno.EIO, "the disk takes no more bytes")
        done += written


def _begin_writeback(descriptor: int, start: int, size: int) -> None:
    """Has the disk begin with a range while the next is filled, so that no flood of dirty pages builds up.

    Advice only: it promises nothing, and drops no page from the cache as posix_fadvise would.
    """
    call = getattr(_LIBC, "sync_file_range", None)
    if call is not None and size > 0:
        call(ctypes.c_int(descriptor), ctypes.c_int64(start), ctypes.c_int64(size), SYNC_FILE_RANGE_WRITE)


def _read_all(descriptor: int, data: NDArray[np.uint8], start: int) -> None:
    done = 0
    while done < data.size:
        read = os.preadv(descriptor, [data[done:].data], start + done)
        if read == 0:
            raise SpillDamagedError(f"the spill file ends at byte {start + done}")
        done += read
