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
SHORTEST_QUOTA_US = 1_000
NAME_PREFIX = "hourglass-"
REMOVE_S = 5.0
CONTROLLERS_V2 = {"memory": "memory", "cpu": "cpu", "blkio": "io"}  # what version 1 calls them, and version 2
UNIFIED = ""  # the name of version 2 in /proc/<pid>/cgroup


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
        quota_us = max(SHORTEST_QUOTA_US, round(cpus * CPU_PERIOD_US))
        folder = self._by_controller["cpu"]
        if self._dialect is V2:
            (folder / "cpu.max").write_text(f"{quota_us} {CPU_PERIOD_US}", encoding="ascii")
            return
        (folder / "cpu.cfs_period_us").write_text(str(CPU_PERIOD_US), encoding="ascii")
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


def make_control_group(memory_bytes: int) -> ControlGroup | None:
    """A new group below this process's own; None where this machine does not allow it to this user.

    Args:
        memory_bytes: what the group may use, page cache included.
    """
    group = _find_place(f"{NAME_PREFIX}{os.getpid()}-{time.monotonic_ns()}")
    if group is None:
        return None
    try:
        group.make(memory_bytes)
    except OSError:
        group.__exit__(None, None, None)
        return None
    return group


def _find_place(name: str) -> ControlGroup | None:
    paths, mounts = group_paths("self"), mounts_by_controller()
    if "memory" in mounts:
        controllers = [controller for controller in ("memory", "cpu", "blkio") if controller in mounts]
        parents = {controller: _below(mounts[controller], paths[controller]) for controller in controllers}
        _sweep(*parents.values())
        return ControlGroup(V1, {controller: parent / name for controller, parent in parents.items()})
    parent = _parent_v2(mounts[UNIFIED], paths[UNIFIED]) if UNIFIED in mounts else None
    if parent is None:
        return None
    _sweep(parent)
    return ControlGroup(V2, folders_v2(parent, parent / name))


def folders_v2(parent: Path, folder: Path) -> dict[str, Path]:
    """The folder of a group of version 2 for each controller that its parent hands down."""
    handed_down = _handed_down(parent)
    return {name: folder for name, name_v2 in CONTROLLERS_V2.items() if name_v2 in handed_down}


def group_paths(pid: int | str) -> dict[str, str]:
    """The group of a process for each controller of version 1, and for version 2 under the empty name."""
    lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
    fields = [line.split(":", 2) for line in lines]
    return {controller: path for _, controllers, path in fields for controller in controllers.split(",")}


def mounts_by_controller() -> Mapping[str, Path]:
    """Where the controllers of version 1, and version 2 under the empty name, are mounted."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup2":
            found[UNIFIED] = Path(place)
        elif kind == "cgroup":
            found |= dict.fromkeys(options.split(","), Path(place))
    return found


def _below(mount: Path, path: str) -> Path:
    """A group's folder; in a container the mount may begin at the group itself."""
    folder = mount / path.lstrip("/")
    return folder if folder.exists() else mount


def _parent_v2(mount: Path, path: str) -> Path | None:
    """The nearest group, from a process's own up, that hands memory and CPUs down, or memory at least."""
    own = _below(mount, path)
    above = [own, *(folder for folder in own.parents if folder.is_relative_to(mount))]
    for wanted in ({"memory", "cpu"}, {"memory"}):
        for folder in above:
            if wanted <= _handed_down(folder) and os.access(folder, os.W_OK):
                return folder
    return None


def _handed_down(folder: Path) -> set[str]:
    return set((folder / "cgroup.subtree_control").read_text(encoding="ascii").split())


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


def _sweep(*parents: Path) -> None:
    """Removes the empty groups of simulators that were killed before they could do so themselves."""
    for folder in (folder for parent in parents for folder in parent.glob(f"{NAME_PREFIX}*")):
        owner = folder.name.removeprefix(NAME_PREFIX).partition("-")[0]
        if not Path(f"/proc/{owner}").exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
