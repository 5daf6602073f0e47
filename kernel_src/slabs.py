"""Read-only copies of arrays in anonymous mappings, whose memory goes back at once when the last view is gone.

The allocator of C keeps freed memory and /dev/shm is small in many containers; an anonymous mapping has neither
fault. Its lifetime rule is that of the buffer protocol: whatever array, view or memoryview looks at a range keeps
that range's exporter alive, and only the exporter's end frees the range. So neither `drop` nor `close` of a store
can pull memory away from under a view.
"""

import ctypes
import mmap
import threading
import weakref
from collections import deque
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from kernel_src.extents import Extents, whole_blocks

HUGE_PAGE_BYTES = 2 << 20
"""x86-64 and most arm64 kernels. One fault for 2 MB instead of 512: a copy takes a third of the time."""


class Slabs:
    """A pool of slabs, safe to use from several threads.

    Args:
        slab_bytes: address space asked for at a time; memory is taken only as it is written. An array that is
            larger gets a slab of its own size.
    """

    def __init__(self, slab_bytes: int = 256 << 20) -> None:
        self._slab_bytes = slab_bytes
        self._slabs: list[_Slab] = []
        self._lock = threading.Lock()

    def copy(self, array: NDArray[np.float16], *, huge_pages: bool = False) -> NDArray[np.float16]:
        """A read-only copy of `array` in a slab.

        Args:
            array: any shape.
            huge_pages: whether the copy may take memory 2 MB at a time, up to 2 MB more than it needs.

        Raises:
            OSError: the system gives no more address space.
        """
        size = whole_blocks(array.nbytes)
        with self._lock:
            slab, start = self._take(size, huge_pages=huge_pages)
        exporter = slab.export(start, size)
        np.copyto(_as_array(memoryview(exporter), array), array)
        return _as_array(memoryview(exporter).toreadonly(), array)

    def _take(self, size: int, *, huge_pages: bool) -> "tuple[_Slab, int]":
        for slab in self._slabs:
            if (start := slab.take(size, huge_pages=huge_pages)) is not None:
                return slab, start
        slab = _Slab(max(size, self._slab_bytes))
        self._slabs.append(slab)
        start = slab.take(size, huge_pages=huge_pages)
        assert start is not None
        return slab, start


class _Slab:
    """One anonymous mapping. `take` wants the pool's lock; `export` and the end of an export need none."""

    def __init__(self, size: int) -> None:
        size = whole_blocks(size, HUGE_PAGE_BYTES)
        # Private, so that the kernel may use huge pages; and one page more, so that the slab starts on one.
        self._mapping = mmap.mmap(-1, size + HUGE_PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        _advise(self._mapping, mmap.MADV_NOHUGEPAGE, 0, len(self._mapping))
        self._origin = -ctypes.addressof(ctypes.c_char.from_buffer(self._mapping)) % HUGE_PAGE_BYTES
        self._touched = 0
        # What ended exports leave behind. They end in any thread, even inside the collector, so not under a lock.
        self._freed: deque[tuple[int, int]] = deque()
        self._extents = Extents()
        self._extents.add(0, size)

    def take(self, size: int, *, huge_pages: bool) -> int | None:
        """The start of a range of `size` bytes, or None where none is free."""
        while self._freed:
            self._extents.add(*self._freed.popleft())
        start = self._extents.take(size)
        if start is not None:
            touched = whole_blocks(start + size, HUGE_PAGE_BYTES)
            if huge_pages and touched > self._touched:
                origin = self._origin + self._touched
                _advise(self._mapping, mmap.MADV_HUGEPAGE, origin, touched - self._touched)
            self._touched = max(self._touched, touched)
        return start

    def export(self, start: int, size: int) -> "ctypes.Array[ctypes.c_char]":
        """The range as a buffer, which keeps the slab alive; the range is free again when the buffer ends."""
        exporter = (ctypes.c_char * size).from_buffer(self._mapping, self._origin + start)
        ending = weakref.finalize(exporter, _give_back, self._mapping, self._origin, start, size, self._freed)
        ending.atexit = False
        return exporter


def _give_back(mapping: mmap.mmap, origin: int, start: int, size: int, freed: deque[tuple[int, int]]) -> None:
    """Gives a range's memory back to the system, then the range to its slab."""
    first = start // HUGE_PAGE_BYTES * HUGE_PAGE_BYTES
    end = whole_blocks(start + size, HUGE_PAGE_BYTES)
    # Otherwise the kernel fills the holes of a huge page again in the background.
    _advise(mapping, mmap.MADV_NOHUGEPAGE, origin + first, end - first)
    # A part of a huge page goes back only when the page is split, and of these two only FREE splits it.
    _advise(mapping, mmap.MADV_FREE, origin + start, size)
    _advise(mapping, mmap.MADV_DONTNEED, origin + start, size)
    freed.append((start, size))


def _advise(mapping: mmap.mmap, advice: int, start: int, size: int) -> None:
    with suppress(OSError):  # advice only: a kernel without huge pages refuses some of it
        mapping.madvise(advice, start, size)


def _as_array(buffer: memoryview, like: NDArray[np.float16]) -> NDArray[np.float16]:
    return np.frombuffer(buffer, dtype=like.dtype, count=like.size).reshape(like.shape)
