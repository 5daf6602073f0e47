"""What this machine lets this user enforce, and how hard each limit is therefore."""

import functools
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from simulator.cgroup import ControlGroup
from simulator.cgroup_place import make_control_group
from simulator.disk_image import DiskImage, own_mount_namespace
from simulator.sandbox import bubblewrap_works
from simulator.user_scope import UserScope, user_scope_controllers

PROBE_BYTES = 10**9
PROBE_DISK_BYTES = 10**6


@dataclass(frozen=True)
class Enforcement:
    """How one limit is kept."""

    limit: str
    """Which one."""
    hard: bool
    """Whether the kernel cannot cross it, rather than being caught when it has."""
    means: str
    """How, in a few words."""

    @property
    def text(self) -> str:
        """The same as a line."""
        return f"{self.limit}: {'hard' if self.hard else 'soft'} ({self.means})"


@functools.cache
def may_mount() -> bool:
    """Whether this process can have mounts of its own; if so, it has mounts of its own from now on."""
    tools = ("mount", "umount", "mkfs.ext4")
    if os.geteuid() != 0 or not Path("/dev/loop-control").exists() or not all(map(shutil.which, tools)):
        return False
    try:
        own_mount_namespace()
    except OSError:
        return False
    return True


@functools.cache
def can_fill_disks() -> bool:
    """Whether a disk image can be mounted, tried out."""
    if not may_mount():
        return False
    try:
        with tempfile.TemporaryDirectory(prefix="hourglass-") as folder:  # containers may lack the devices themselves
            DiskImage(Path(folder, "image"), Path(folder, "disk"), PROBE_DISK_BYTES).unmount()
    except OSError:
        return False
    return True


def free_bytes(folder: Path) -> int:
    """What is free on the disk that a folder lies on."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@dataclass(frozen=True)
class GroupAbilities:
    """What the control groups of this user can do."""

    memory: bool = False
    """Limit memory."""
    cpus: bool = False
    """Limit the CPUs."""
    reads: bool = False
    """Limit what is read from a block device."""
    neighbours: bool = False
    """Take in other processes than the kernel."""


@functools.cache
def group_abilities() -> GroupAbilities:
    """What the control groups of this user can do, tried out."""
    group = make_control_group(PROBE_BYTES)
    if group is None:
        controllers = user_scope_controllers()
        return GroupAbilities(memory="memory" in controllers, cpus="cpu" in controllers)
    with group:
        return GroupAbilities(True, "cpu" in group.controllers, "blkio" in group.controllers, neighbours=True)


def kernel_group(memory_bytes: int) -> ControlGroup:
    """A control group with this limit; only where `group_abilities().memory`."""
    return make_control_group(memory_bytes) or UserScope(memory_bytes)


@functools.cache
def can_sandbox() -> bool:
    """Whether bubblewrap works."""
    return bubblewrap_works()


def gpu_devices() -> tuple[Path, ...]:
    """The devices of the machine's NVIDIA GPUs."""
    return tuple(sorted(Path("/dev").glob("nvidia*[!s]")))
