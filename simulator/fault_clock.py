"""Brings a day's faults upon a running kernel, each at its moment."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from kernel_src.errors import KernelError
from simulator.faults import Fault, FaultKind
from simulator.kernel_process import KernelProcess
from simulator.machine import Machine
from simulator.watch import Crossed

NEIGHBOUR_SCRIPT = Path(__file__).with_name("neighbour.py")


class FaultClock:
    """The faults that begin while the kernel runs. Use it as a context: leaving it sends the neighbours away.

    Args:
        faults: all faults of the day.
        time_limit_s: what their moments are shares of.
        machine: the machine.
        kernel: the running kernel.
    """

    def __init__(self, faults: Sequence[Fault], time_limit_s: float, machine: Machine, kernel: KernelProcess) -> None:
        timed = [fault for fault in faults if not fault.from_the_start]
        self._waiting = sorted(timed, key=lambda fault: fault.at_share)
        self._time_limit_s = time_limit_s
        self._machine = machine
        self._kernel = kernel
        self._neighbours: list[subprocess.Popen[bytes]] = []
        self._still_until_s: float | None = None
        self._killed_at_s: float | None = None
        self.begun: list[tuple[float, Fault]] = []

    def tick(self, t_s: float) -> Crossed | None:
        """Begins what is due; `Crossed.SIGTERM` when the kernel has not left in the time that it was given."""
        while self._kernel.is_up and self._waiting and t_s >= self._waiting[0].at_share * self._time_limit_s:
            fault = self._waiting.pop(0)
            self._begin(fault, t_s)
            self.begun.append((t_s, fault))
        self._keep_still(t_s)
        late = self._killed_at_s is not None and t_s >= self._killed_at_s
        return Crossed.SIGTERM if late else None

    def _begin(self, fault: Fault, t_s: float) -> None:
        match fault.kind:
            case FaultKind.SLOW:
                self._machine.set_speed(fault.amount)
            case FaultKind.STALL:
                self._begin_stall(t_s, fault.amount)
            case FaultKind.SLOW_INPUTS:
                self._machine.slow_down_inputs(round(fault.amount))
            case FaultKind.DISK_FULL:
                self._machine.fill_disk()
            case FaultKind.NEIGHBOUR:
                self._neighbours.append(self._take_memory(round(fault.amount)))
            case FaultKind.SIGTERM:
                self._kernel.terminate()
                self._killed_at_s = max(t_s, self._still_until_s or 0.0) + fault.amount
            case _:
                raise AssertionError(f"{fault.kind} does not begin while the kernel runs")

    def _begin_stall(self, t_s: float, seconds_s: float) -> None:
        """Everything stands still, also whoever would send SIGKILL: the time to leave does not pass meanwhile."""
        before_s = max(t_s, self._still_until_s or 0.0)
        self._still_until_s = max(before_s, t_s + seconds_s)
        if self._killed_at_s is not None:
            self._killed_at_s += self._still_until_s - before_s

    def _keep_still(self, t_s: float) -> None:
        if self._still_until_s is None:
            return
        if t_s < self._still_until_s:
            self._machine.stand_still(True)  # at each tick, for a process may have been on its way in
        else:
            self._still_until_s = None
            self._machine.stand_still(False)

    def _take_memory(self, size_bytes: int) -> subprocess.Popen[bytes]:
        entering = self._machine.group.entering() if self._machine.group else []
        command = [*entering, sys.executable, "-I", "-S", str(NEIGHBOUR_SCRIPT), str(size_bytes)]
        return subprocess.Popen(command, stdin=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for neighbour in self._neighbours:
            neighbour.kill()
            neighbour.communicate()


def check_possible(faults: Sequence[Fault], machine: Machine) -> None:
    """Refuses faults that this machine cannot bring about.

    Raises:
        KernelError: one needs what is not there.
    """
    needs = {
        FaultKind.DISK_FULL: machine.image is not None,
        FaultKind.NEIGHBOUR: machine.group is not None and machine.group.takes_neighbours,
        FaultKind.SLOW_INPUTS: machine.can_slow_down_inputs,
    }
    for fault in faults:
        if not needs.get(fault.kind, True):
            soft = "; ".join(limit.text for limit in machine.enforcements() if not limit.hard)
            here = f"; here {soft}" if soft else ""
            raise KernelError(f"--fault {fault.kind} needs a limit that is hard: run as root, without --soft{here}")
