"""The kernel's machine: the strongest limits that this user may set here, with a way to make its day worse."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from kernel_src.errors import KernelError
from kernel_src.memory import memory_reader
from simulator.amounts import gigabytes_text
from simulator.cgroup import ControlGroup
from simulator.disk_image import DiskImage, ReadOnlyCopy
from simulator.duty_cycle import DutyCycle
from simulator.faults import FaultKind, has
from simulator.gauges import FolderDisk, OutsideConnections, ProcessTreeMemory
from simulator.kernel_environment import kernel_environment
from simulator.kernel_folders import KAGGLE_VIEW, KernelView, WritableArea, copy_script, link_inputs
from simulator.kernel_process import INIT_SCRIPT, Enclosure, KernelProcess
from simulator.means import (
    Enforcement,
    can_sandbox,
    free_bytes,
    gpu_devices,
    group_abilities,
    kernel_group,
    may_mount,
)
from simulator.sandbox import sandbox_command
from simulator.settings import Rehearsal
from simulator.staging import StagedInputs
from simulator.watch import Gauges

PSS_WATCHED = "a watchdog reads the PSS of its processes"
BLOCKS_WATCHED = "a watchdog counts the blocks of its files"
SOCKETS_WATCHED = "a watchdog looks at its sockets"
INIT_INSIDE = KAGGLE_VIEW.script.parent.parent / "init" / INIT_SCRIPT.name


class Machine:
    """A machine for one run. Use it as a context: leaving it removes all that it set up.

    Args:
        rehearsal: what is wanted.
        staged: the inputs.
        folder: an empty folder that may be removed afterwards.
    """

    def __init__(self, rehearsal: Rehearsal, staged: StagedInputs, folder: Path) -> None:
        self._rehearsal = rehearsal
        self._staged = staged
        self._folder = folder
        self._stack = ExitStack()
        self._sandboxed = False
        self._inputs_before: dict[Path, tuple[int, int]] = {}
        self._duty: DutyCycle | None = None
        self._copy: ReadOnlyCopy | None = None
        self.most_memory_bytes = _most_memory_bytes(rehearsal.limits.memory_bytes)
        self.image: DiskImage | None = None
        self._no_image = ""
        self.group: ControlGroup | None = None
        self.area = WritableArea(folder / "area")
        self.view = KAGGLE_VIEW

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._set_up(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _set_up(self, stack: ExitStack) -> None:
        limits, strong = self._rehearsal.limits, not self._rehearsal.soft
        if strong and may_mount():
            self._mount_image(stack)
        self._make_area()
        if strong and group_abilities().memory:
            self.group = stack.enter_context(kernel_group(limits.memory_bytes))
        self._sandboxed = strong and can_sandbox()
        if has(self._rehearsal.faults, FaultKind.SLOW_INPUTS) and self.image and self.group:
            self._move_test_set(stack)
        script = copy_script(self._rehearsal.script, self._folder / "src")
        if not self._sandboxed:
            self.view = KernelView(script, self._folder / "input", self.area.working, self.area.temporary)
            link_inputs(self._staged.paths, self.view.inputs)
            self._inputs_before = _states(self._staged.paths.values())

    def _mount_image(self, stack: ExitStack) -> None:
        quota_bytes = self._rehearsal.limits.disk_bytes
        if (free := free_bytes(self._folder)) <= quota_bytes:
            self._no_image = f"for an image of the quota only {gigabytes_text(free)} are free"
            return
        try:
            self.image = DiskImage(self._folder / "image", self.area.root, quota_bytes)
        except OSError as error:  # such as in a container without loop devices
            self._no_image = f"no image could be mounted: {' '.join(str(error).split())}"
        else:
            stack.callback(self.image.unmount)

    def _make_area(self) -> None:
        try:
            self.area.make()
        except OSError as error:
            size = f"{self._rehearsal.limits.disk_bytes:,} bytes"
            raise KernelError(f"a disk of {size} has no room for empty folders even; give a larger --disk") from error

    def _move_test_set(self, stack: ExitStack) -> None:
        """Puts the test clips onto a block device of their own."""
        for name, path in self._staged.paths.items():
            if name.endswith("/test"):
                self._copy = ReadOnlyCopy(self._folder / "copy.image", self._folder / "copy", path)
                stack.callback(self._copy.unmount)
                self._staged = replace(self._staged, paths={**self._staged.paths, name: self._copy.folder})

    def enforcements(self) -> list[Enforcement]:
        """How hard each limit is."""
        closed = self._sandboxed or self.group is not None
        return [
            Enforcement("time", closed, "all is killed" if closed else "what can be seen is killed"),
            self._memory_enforcement(),
            self._disk_enforcement(),
            Enforcement("network", self._sandboxed, "none but loopback" if self._sandboxed else SOCKETS_WATCHED),
            Enforcement("inputs", self._sandboxed, "read-only" if self._sandboxed else "compared afterwards"),
            *self._cpu_enforcement(),
        ]

    def _memory_enforcement(self) -> Enforcement:
        means = self.group.means if self.group else PSS_WATCHED
        if self.most_memory_bytes < self._rehearsal.limits.memory_bytes:
            means += f"; only {gigabytes_text(self.most_memory_bytes)} are free here, so it would be killed sooner"
        return Enforcement("memory", self.group is not None, means)

    def _disk_enforcement(self) -> Enforcement:
        if self.image:
            return Enforcement("disk", True, self.image.means)
        return Enforcement("disk", False, "; ".join(filter(None, (BLOCKS_WATCHED, self._no_image))))

    def _cpu_enforcement(self) -> list[Enforcement]:
        there = len(os.sched_getaffinity(0))
        wanted = self._rehearsal.cpus or there
        if wanted > there:
            return [Enforcement("CPUs", False, f"the machine has {there}, not {wanted}")]
        if wanted == there and self._rehearsal.speed == 1:
            return [Enforcement("CPUs", True, f"all {there} of the machine")]
        hard = self.group is not None and group_abilities().cpus
        return [Enforcement("CPUs", hard, f"{wanted} at {self._rehearsal.speed:.0%} of their speed")]

    @contextmanager
    def running(self, log: Path) -> Iterator[KernelProcess]:
        """Starts the kernel, and ends it with all that it started."""
        kernel = KernelProcess(
            [sys.executable, str(self.view.script)],
            kernel_environment(self._rehearsal, self.view),
            self._enclosure(),
            folder=self.area.working,
            log=log,
            live=self._rehearsal.live,
        )
        with kernel, DutyCycle(kernel.signal) as self._duty:
            if self.group:
                self.group.entered()
            self.set_speed(self._rehearsal.speed)
            yield kernel

    def gauges(self, kernel: KernelProcess) -> Gauges:
        """What can be read of the running kernel."""
        return Gauges(
            memory_bytes=self.group.in_use_bytes if self.group else ProcessTreeMemory(kernel.pid).in_use_bytes,
            memory_kills=self.group.kills if self.group else int,
            most_memory_bytes=self.most_memory_bytes,
            disk_bytes=self.image.used_bytes if self.image else FolderDisk(self.area.root, kernel.pid).used_bytes,
            outside=frozenset[str] if self._sandboxed else OutsideConnections(kernel.pid).addresses,
        )

    def set_speed(self, speed: float) -> None:
        """Goes on at a share of the CPUs' full speed."""
        if self.group and "cpu" in self.group.controllers:
            self.group.limit_cpus(speed * len(self._cpus()))
        elif self._duty:
            self._duty.set_speed(speed)

    def stand_still(self, still: bool) -> None:
        """Stops everything in the kernel until it is told to go on."""
        assert self._duty is not None
        self._duty.stand_still(still)

    @property
    def can_slow_down_inputs(self) -> bool:
        """Whether `slow_down_inputs` works here."""
        return self._copy is not None and self.group is not None and "blkio" in self.group.controllers

    def slow_down_inputs(self, bytes_per_s: int) -> None:
        """Lets the kernel read at most so much of the test set a second."""
        assert self._copy is not None
        assert self.group is not None
        self.group.limit_reads(self._copy.device, bytes_per_s)

    def fill_disk(self) -> None:
        """Takes all of the disk that is free."""
        assert self.image is not None
        self.image.fill()

    def input_changes(self) -> bool:
        """Whether the kernel has changed its inputs."""
        return not self._sandboxed and _states(self._staged.paths.values()) != self._inputs_before

    def _cpus(self) -> frozenset[int]:
        return frozenset(sorted(os.sched_getaffinity(0))[: self._rehearsal.cpus])

    def _enclosure(self) -> Enclosure:
        command = self.group.entering() if self.group else []
        if self._sandboxed:
            command += sandbox_command(
                self._folder / "src",
                self._staged.paths,
                self.area,
                extra=self._extra_folders(),
                devices=gpu_devices() if self._rehearsal.gpu else (),
            )
        return Enclosure(
            command=tuple(command),
            init_script=INIT_INSIDE if self._sandboxed else INIT_SCRIPT,
            own_pids=self._sandboxed,
            descriptors=self.group.descriptors if self.group else (),
            cpus=self._cpus(),
        )

    def _extra_folders(self) -> dict[Path, Path]:
        return {INIT_INSIDE: INIT_SCRIPT, **{folder: folder for folder in self._staged.originals}}


def _most_memory_bytes(limit_bytes: int) -> int:
    """What the kernel can have of its limit: no more than is free here when it starts."""
    there_bytes = memory_reader().limit_bytes()
    return limit_bytes if there_bytes is None else min(limit_bytes, there_bytes)


def _states(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Size and time of change of all files in some folders."""
    files = [file for path in paths for file in (path, *path.rglob("*"))]
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.exists()}
