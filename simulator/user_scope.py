"""A control group for users who may not make one: a scope that the user's own systemd makes and hands over.

A process cannot be moved into the scope from outside, so the command's first process begins there. It makes two groups
in it: one with the limit, for the kernel, and one for a keeper, which holds the scope together after the kernel's end
until its counters have been read. The keeper ends with the simulator, however that ends.
Sources: systemd.resource-control(5), `Delegate=`; https://systemd.io/CGROUP_DELEGATION.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

from kernel_src.errors import KernelError
from simulator.cgroup import V2, ControlGroup
from simulator.cgroup_place import NAME_PREFIX, UNIFIED, folders_v2, mounts_by_controller

START_S = 10.0
LOOK_S = 0.005
PROBE_BYTES = 10**9
KERNEL_GROUP = "kernel"
BUS_VARIABLES = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")

SET_UP = """
own="$1$(sed -n 's/^0:://p' /proc/self/cgroup)"
mkdir "$own/kernel" "$own/keeper" || exit 126
cat <&"$3" >/dev/null 2>&1 & echo $! > "$own/keeper/cgroup.procs"
echo $$ > "$own/kernel/cgroup.procs"
for controller in memory cpu io; do echo "+$controller" > "$own/cgroup.subtree_control" 2>/dev/null; done
echo "$2" > "$own/kernel/memory.max" || exit 126
echo 0 > "$own/kernel/memory.swap.max" 2>/dev/null
eval "exec $3<&-"
unset XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS INVOCATION_ID
shift 3
exec "$@"
"""


class UserScope(ControlGroup):
    """A control group made by `systemd-run --user`. Use it as a context.

    Args:
        memory_bytes: what the kernel may use.
    """

    takes_neighbours = False

    def __init__(self, memory_bytes: int) -> None:
        super().__init__(V2, {})
        self.means = f"{V2.name} by systemd-run --user"
        self._mount = mounts_by_controller()[UNIFIED]
        self._memory_bytes = memory_bytes
        self._unit = f"{NAME_PREFIX}{os.getpid()}-{time.monotonic_ns()}.scope"
        self._scope: Path | None = None
        keeper_end, self._our_end = os.pipe()
        self.descriptors = (keeper_end,)

    def entering(self) -> list[str]:
        """The command that puts the command after it into a new scope."""
        # The kernel's clean environment lacks what systemd-run needs; the shell takes it away again.
        bus = [f"{name}={os.environ[name]}" for name in BUS_VARIABLES if name in os.environ]
        scope = ["env", *bus, "systemd-run", "--user", "--scope", "--quiet", "--collect", f"--unit={self._unit}"]
        numbers = (str(self._memory_bytes), str(self.descriptors[0]))
        scope += ["--property=Delegate=yes", "--property=CPUQuota=100000%"]  # a quota makes systemd hand the CPUs down
        return [*scope, "/bin/sh", "-c", SET_UP, "sh", str(self._mount), *numbers]

    def entered(self) -> None:
        """Finds the scope, once systemd has made it.

        Raises:
            KernelError: it does not appear.
        """
        show = ["systemctl", "--user", "show", "--property=ControlGroup", "--value", self._unit]
        deadline_s = time.monotonic() + START_S
        while time.monotonic() < deadline_s:
            path = subprocess.run(show, check=False, capture_output=True, text=True).stdout.strip()
            folder = self._mount / path.lstrip("/") / KERNEL_GROUP
            if path and folder.is_dir():
                self._scope = folder.parent
                self._by_controller = folders_v2(folder.parent, folder)
                if self._by_controller:
                    return
            time.sleep(LOOK_S)
        raise KernelError(f"systemd-run --user made no scope in {START_S:g} s; use --soft")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        for descriptor in (*self.descriptors, self._our_end):
            os.close(descriptor)
        deadline_s = time.monotonic() + START_S
        while self._scope and self._scope.exists() and time.monotonic() < deadline_s:
            time.sleep(LOOK_S)


def user_scope_controllers() -> frozenset[str]:
    """The controllers that this user's systemd hands over with a scope; none where it makes no scopes."""
    if os.geteuid() == 0 or UNIFIED not in mounts_by_controller() or shutil.which("systemd-run") is None:
        return frozenset()
    with UserScope(PROBE_BYTES) as scope:
        command = [*scope.entering(), "/bin/true"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=START_S, pass_fds=scope.descriptors)
            scope.entered()
        except (OSError, subprocess.SubprocessError, KernelError):
            return frozenset()
        return scope.controllers
