"""A control group around the kernel: a hard limit on memory, a share of the CPUs, and exact figures of memory.

Version 1 has a folder for each controller, version 2 one for all. Sources: the Linux kernel's
Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst.
"""

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

CPU_PERIOD_US = 20_000
SHORTEST_QUOTA_US = 1_000  # the Linux kernel takes no less, and no longer period than the next
LONGEST_PERIOD_US = 1_000_000
REMOVE_S = 5.0


@dataclass(frozen=True)
class Dialect:
    """What the files of a version are called."""

    name: str
    """The version, for people."""
    limit: str
    """The limit on memory."""
    swap_limit: str
    """The limit on swap, which a machine without swap accounting does not have."""
    swap_counts_memory: bool
    """Whether that limit is on memory and swap together."""
    usage: str
    """The memory in use, page cache included."""
    page_cache: tuple[str, ...]
    """The names in memory.stat of what the kernel gives back first."""
    kills: str
    """The file with the counter `oom_kill`."""


V1 = Dialect(
    name="cgroup v1",
    limit="memory.limit_in_bytes",
    swap_limit="memory.memsw.limit_in_bytes",
    swap_counts_memory=True,
    usage="memory.usage_in_bytes",
    page_cache=("total_inactive_file", "total_active_file"),
    kills="memory.oom_control",
)
V2 = Dialect(
    name="cgroup v2",
    limit="memory.max",
    swap_limit="memory.swap.max",
    swap_counts_memory=False,
    usage="memory.current",
    page_cache=("inactive_file", "active_file"),
    kills="memory.events",
)


class ControlGroup:
    """A group with a limit on its memory. Use it as a context: leaving it kills what is in it and removes it.

    Args:
        dialect: the version.
        folders: its folder for the controllers memory and, where the machine hands them down, cpu and blkio; one
            folder for all of them in version 2.
    """

    def __init__(self, dialect: Dialect, folders: Mapping[str, Path]) -> None:
        self.means = dialect.name
        self._dialect = dialect
        self._by_controller: Mapping[str, Path] = folders

    takes_neighbours = True
    """Whether other processes than the kernel can be put into it."""
    descriptors: tuple[int, ...] = ()
    """What the command after `entering()` must inherit."""

    def make(self, memory_bytes: int) -> None:
        """Makes the folders and sets the limit.

        Raises:
            OSError: this user may not, or the file system is read-only.
        """
        for folder in self._folders:
            folder.mkdir()
        (self._memory / self._dialect.limit).write_text(str(memory_bytes), encoding="ascii")
        swap_limit = self._memory / self._dialect.swap_limit
        if swap_limit.exists():
            swap_limit.write_text(str(memory_bytes if self._dialect.swap_counts_memory else 0), encoding="ascii")

    def entering(self) -> list[str]:
        """The command that puts the command after it into the group: a shell that joins and becomes it."""
        files = [str(folder / "cgroup.procs") for folder in self._folders]
        joins = " && ".join(f'echo $$ > "${index}"' for index in range(1, len(files) + 1))
        return ["/bin/sh", "-c", f'{joins} && shift {len(files)} && exec "$@"', "sh", *files]

    def entered(self) -> None:
        """Tells the group that a process which began with `entering()` has been started."""

    @property
    def controllers(self) -> frozenset[str]:
        """What it can do: limit memory; "cpu" for `limit_cpus`, "blkio" for `limit_reads`."""
        return frozenset(self._by_controller)

    def limit_cpus(self, cpus: float) -> None:
        """Limits the seconds of CPU time per second."""
        period_us = min(max(CPU_PERIOD_US, round(SHORTEST_QUOTA_US / cpus)), LONGEST_PERIOD_US)
        quota_us = max(SHORTEST_QUOTA_US, round(cpus * period_us))
        folder = self._by_controller["cpu"]
        if self._dialect is V2:
            (folder / "cpu.max").write_text(f"{quota_us} {period_us}", encoding="ascii")
            return
        (folder / "cpu.cfs_period_us").write_text(str(period_us), encoding="ascii")
        (folder / "cpu.cfs_quota_us").write_text(str(quota_us), encoding="ascii")

    def limit_reads(self, device: int, bytes_per_s: int) -> None:
        """Limits what is read from a block device, given as in `st_dev`."""
        number, folder = f"{os.major(device)}:{os.minor(device)}", self._by_controller["blkio"]
        if self._dialect is V2:
            (folder / "io.max").write_text(f"{number} rbps={bytes_per_s}", encoding="ascii")
        else:
            (folder / "blkio.throttle.read_bps_device").write_text(f"{number} {bytes_per_s}", encoding="ascii")

    def in_use_bytes(self) -> int:
        """Memory in use: without the page cache, which the kernel gives back before it kills."""
        stat = _numbers(self._memory / "memory.stat")
        cache = sum(stat.get(name, 0) for name in self._dialect.page_cache)
        return max(0, int((self._memory / self._dialect.usage).read_bytes()) - cache)

    def kills(self) -> int:
        """How many processes the kernel has killed for memory; it takes the largest, which may be a child."""
        return _numbers(self._memory / self._dialect.kills).get("oom_kill", 0)

    def pids(self) -> list[int]:
        """The processes in the group."""
        return _pids(self._memory)

    @property
    def _memory(self) -> Path:
        return self._by_controller["memory"]

    @property
    def _folders(self) -> list[Path]:
        return sorted(set(self._by_controller.values()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in self._folders:
            _empty_and_remove(folder)


def _numbers(path: Path) -> dict[str, int]:
    """The lines `name number` of a group's file."""
    pairs = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _pids(folder: Path) -> list[int]:
    try:
        return [int(line) for line in (folder / "cgroup.procs").read_text(encoding="ascii").split()]
    except OSError:
        return []


def _empty_and_remove(folder: Path) -> None:
    deadline_s = time.monotonic() + REMOVE_S
    while folder.exists() and time.monotonic() < deadline_s:
        for pid in _pids(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            folder.rmdir()
        except OSError:  # the killed are still on their way out
            time.sleep(0.005)
