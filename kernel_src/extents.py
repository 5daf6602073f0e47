"""Which byte ranges of a slab or a file are free: the tightest that fits is given, neighbours are joined."""

import mmap
from bisect import bisect_left, insort

BLOCK_BYTES = max(4096, mmap.PAGESIZE)
"""Ranges start and end on blocks, so that memory can be given back by pages and a file's blocks be counted."""


def whole_blocks(nbytes: int, block_bytes: int = BLOCK_BYTES) -> int:
    """`nbytes` rounded up to whole blocks; at least one."""
    return max(-(-nbytes // block_bytes), 1) * block_bytes


class Extents:
    """The free ranges of one address space. Not safe for several threads: its owner has a lock."""

    def __init__(self) -> None:
        self._by_size: list[tuple[int, int]] = []
        self._size_at_start: dict[int, int] = {}
        self._start_at_end: dict[int, int] = {}

    def add(self, start: int, size: int) -> None:
        """Makes [start, start + size) free, as part of the free ranges that it touches."""
        if (before := self._start_at_end.get(start)) is not None:
            size += self._remove(before)
            start = before
        if start + size in self._size_at_start:
            size += self._remove(start + size)
        insort(self._by_size, (size, start))
        self._size_at_start[start] = size
        self._start_at_end[start + size] = start

    def take(self, size: int) -> int | None:
        """The start of a range of `size` bytes, free no more: out of the smallest that fits; None: none does."""
        place = bisect_left(self._by_size, (size, -1))
        if place == len(self._by_size):
            return None
        start = self._by_size[place][1]
        rest = self._remove(start) - size
        if rest:
            self.add(start + size, rest)
        return start

    def free_bytes(self) -> int:
        """The sum of all free ranges."""
        return sum(self._size_at_start.values())

    def _remove(self, start: int) -> int:
        size = self._size_at_start.pop(start)
        del self._start_at_end[start + size]
        del self._by_size[bisect_left(self._by_size, (size, start))]
        return size
