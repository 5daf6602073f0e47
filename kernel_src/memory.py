"""How much memory is in use, of how much: the process's own cgroup first, the machine where there is none.

In a container the machine's figures say nothing: the kernel kills by the cgroup's. What counts as in use is
`usage - inactive_file - active_file`, for file pages are given up before anything is killed; files on tmpfs are
not among them, rightly. Child processes live in the same group and so count.

Sources: the Linux kernel's admin guide, "Memory Resource Controller" (cgroup v1) and "Control Group v2".
"""

import os
import re
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

import psutil

NO_LIMIT_BYTES = 1 << 60
"""A limit at or above this one is none: v1 writes "unlimited" as nearly 2^63."""


class MemoryReader(Protocol):
    """Whoever can say how much memory is in use, and of how much."""

    def used_bytes(self) -> int:
        """Memory in use that could not be given back without a loss, in bytes."""
        ...

    def limit_bytes(self) -> int | None:
        """The memory that `used_bytes` may grow to, in bytes; None where this reader knows of no limit."""
        ...


@runtime_checkable
class QuickReader(MemoryReader, Protocol):
    """A reader with a cheaper figure that is never too low: most often it settles the question."""

    def at_most_bytes(self) -> int:
        """No less than `used_bytes`, in bytes."""
        ...


@dataclass(frozen=True)
class CgroupLayout:
    """Where one version of the memory controller keeps its figures."""

    file_system: str
    """The type of its mount in mountinfo."""
    usage_file: str
    """All memory charged to the group, in bytes."""
    limit_file: str | None
    """The group's own limit; None where memory.stat has the least one up the tree."""
    stat_prefix: bytes
    """What the figures of memory.stat start with where they cover the whole subtree."""


V1 = CgroupLayout("cgroup", "memory.usage_in_bytes", None, b"total_")
V2 = CgroupLayout("cgroup2", "memory.current", "memory.max", b"")


class CgroupReader:
    """One memory cgroup, read through descriptors that stay open.

    A reading takes some ten microseconds, the charge alone one.

    Args:
        folder: the group's folder in the cgroup file system.
        layout: `V1` or `V2`.
    """

    def __init__(self, folder: Path, layout: CgroupLayout) -> None:
        self._layout = layout
        self._usage = _KernelFile(folder / layout.usage_file)
        self._stat = _KernelFile(folder / "memory.stat")
        self._limit = _KernelFile(folder / layout.limit_file) if layout.limit_file else None

    def used_bytes(self) -> int:
        """What the group and its children use, less the file pages that the kernel can drop."""
        stat, prefix = self._stat.read(), self._layout.stat_prefix
        file_pages = _field(stat, prefix + b"inactive_file") + _field(stat, prefix + b"active_file")
        return max(int(self._usage.read()) - file_pages, 0)

    def at_most_bytes(self) -> int:
        """All that is charged to the group, file pages included."""
        return int(self._usage.read())

    def limit_bytes(self) -> int | None:
        """The limit of this group (v2), or the least one up the tree (v1); None where there is none."""
        if self._limit is None:
            limit = _field(self._stat.read(), b"hierarchical_memory_limit")
        else:
            text = self._limit.read().strip()
            limit = NO_LIMIT_BYTES if text == b"max" else int(text)
        return limit if limit < NO_LIMIT_BYTES else None


class MachineReader:
    """The machine's memory, less what others held at the start: that is neither ours nor to be had."""

    def __init__(self) -> None:
        memory = psutil.virtual_memory()
        self._process = psutil.Process()
        in_use = memory.total - memory.available
        self._others_bytes = max(in_use - self._process.memory_info().rss, 0)
        self._limit_bytes = memory.total - self._others_bytes

    def used_bytes(self) -> int:
        """What has come into use since the start, by anyone; at least the process's own resident memory."""
        memory = psutil.virtual_memory()
        grown = memory.total - memory.available - self._others_bytes
        return int(max(grown, self._process.memory_info().rss))

    def limit_bytes(self) -> int:
        """The machine's memory less what others held at the start."""
        return int(self._limit_bytes)


class NestedReader:
    """A reader inside others: its use is the inner one's; its limit is what all of them leave it.

    A neighbour that grows in an outer group, or on the machine, so lowers the limit.

    Args:
        inner: the process's own group.
        outer: what it lies in.
        clock: seconds, monotonic.
        refresh_s: how long a limit is taken as read; the use is read afresh each time.
    """

    def __init__(
        self,
        inner: MemoryReader,
        outer: Sequence[MemoryReader],
        clock: Callable[[], float] = time.monotonic,
        refresh_s: float = 1.0,
    ) -> None:
        self._inner = inner
        self._at_most_bytes = inner.at_most_bytes if isinstance(inner, QuickReader) else inner.used_bytes
        self._outer = tuple(outer)
        self._clock = clock
        self._refresh_s = refresh_s
        self._limit_bytes: int | None = None
        self._read_at_s: float | None = None

    def used_bytes(self) -> int:
        """What the inner group uses."""
        return self._inner.used_bytes()

    def at_most_bytes(self) -> int:
        """No less than that."""
        return self._at_most_bytes()

    def limit_bytes(self) -> int | None:
        """What the inner group uses plus the least room that any level has left."""
        now_s = self._clock()
        if self._read_at_s is None or now_s - self._read_at_s >= self._refresh_s:
            self._limit_bytes, self._read_at_s = self._least_limit_bytes(), now_s
        return self._limit_bytes

    def _least_limit_bytes(self) -> int | None:
        used, own_limit = self._inner.used_bytes(), self._inner.limit_bytes()
        left = [limit - reader.used_bytes() for reader in self._outer if (limit := reader.limit_bytes()) is not None]
        return min([*([] if own_limit is None else [own_limit]), *(used + room for room in left)], default=None)


def memory_reader(process: Path = Path("/proc/self")) -> MemoryReader:
    """The reader for this process: its cgroup within the outer ones within the machine, or the machine alone.

    Args:
        process: the folder that holds the process's `cgroup` and `mountinfo`.

    Returns:
        A reader that has been read from once.
    """
    machine = MachineReader()
    try:
        groups = [CgroupReader(folder, layout) for folder, layout in _cgroup_folders(process)]
        if not groups:
            return machine
        reader = NestedReader(groups[0], [*groups[1:], machine])
        reader.used_bytes(), reader.limit_bytes()
    except (OSError, ValueError):  # some sandboxes have a part of the files, or other figures in them
        return machine
    return reader


def _cgroup_folders(process: Path) -> Iterator[tuple[Path, CgroupLayout]]:
    """The folders with memory figures, from the process's own group up to the mount's top."""
    try:
        groups = (process / "cgroup").read_text(encoding="utf-8")
        mounts = (process / "mountinfo").read_text(encoding="utf-8")
    except OSError:  # no Linux, or no /proc: the machine is all there is to read
        return
    v1 = re.search(r"^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(.*)$", groups, re.MULTILINE)
    v2 = re.search(r"^0::(.*)$", groups, re.MULTILINE)
    # Both may be mounted; only one of them has the memory controller, and v1's line names it.
    layout, match = (V1, v1) if v1 else (V2, v2)
    if match is None or (mount := _mount_of(layout, mounts)) is None:
        return
    root, top = mount
    path = PurePosixPath(match[1])
    # A path outside the mount's root is one that this container cannot see: the mount's top is its own group.
    folder = top / path.relative_to(root) if path.is_relative_to(root) and ".." not in path.parts else top
    for level in (folder, *folder.parents):
        if (level / layout.usage_file).exists() and not _is_whole_machine(level, top, layout):
            yield level, layout
        if level == top:
            return


def _mount_of(layout: CgroupLayout, mountinfo: str) -> tuple[PurePosixPath, Path] | None:
    """Which part of the hierarchy is mounted, and where."""
    for line in mountinfo.splitlines():
        mount, _, source = line.partition(" - ")
        file_system, _, options = source.split()[:3]
        if file_system == layout.file_system and (layout is V2 or "memory" in options.split(",")):
            root, point = (_unescape(field) for field in mount.split()[3:5])
            return PurePosixPath(root), Path(point)
    return None


def _is_whole_machine(level: Path, top: Path, layout: CgroupLayout) -> bool:
    """Whether this is v1's root group, which has no limit and counts every process there is."""
    return layout is V1 and level == top and CgroupReader(level, layout).limit_bytes() is None


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _field(stat: bytes, name: bytes) -> int:
    start = (b"\n" + stat).index(b"\n" + name + b" ") + len(name) + 1
    return int(stat[start : stat.index(b"\n", start)])


class _KernelFile:
    """A file that the kernel writes anew at each reading; closed when the last reference to it goes."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._descriptor)

    def read(self) -> bytes:
        return os.pread(self._descriptor, 16384, 0)
