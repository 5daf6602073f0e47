"""Where a new control group may be made: below this process's own, as far as this machine allows it."""

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path

from simulator.cgroup import V1, V2, ControlGroup

NAME_PREFIX = "hourglass-"
CONTROLLERS_V2 = {"memory": "memory", "cpu": "cpu", "blkio": "io"}  # what version 1 calls them, and version 2
UNIFIED = ""  # the name of version 2 in /proc/<pid>/cgroup


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


def _sweep(*parents: Path) -> None:
    """Removes the empty groups of simulators that were killed before they could do so themselves."""
    for folder in (folder for parent in parents for folder in parent.glob(f"{NAME_PREFIX}*")):
        owner = folder.name.removeprefix(NAME_PREFIX).partition("-")[0]
        if not Path(f"/proc/{owner}").exists():
            with contextlib.suppress(OSError):
                folder.rmdir()
