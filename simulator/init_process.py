"""The first process around a kernel: starts it, waits for it, and ends whatever it leaves behind.

Run as a script of its own (`python -I -S init_process.py STATUS_FD COMMAND...`), also inside the sandbox where
nothing else of the project can be seen; so it imports only the standard library. When the kernel has begun, the line
`up` goes to the descriptor; when it has ended, a JSON object: `returncode` (negative: the signal), `wall_s`, `cpu_s`,
and `left_behind`, the names of processes that still ran after a moment of grace.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_S = 1.0
POLL_S = 0.01


def main(arguments: list[str]) -> None:
    """Runs the command and reports."""
    status_fd = int(arguments[0])
    os.set_inheritable(status_fd, False)  # the kernel has no business with it
    _adopt_orphans()
    signal.signal(signal.SIGTERM, _end_everything)
    start_s = time.monotonic()
    kernel = os.posix_spawn(arguments[1], arguments[1:], os.environ, setsigdef=[signal.SIGTERM, signal.SIGPIPE])
    os.write(status_fd, b"up\n")
    returncode, cpu_s = _wait_for(kernel)
    wall_s = time.monotonic() - start_s
    left_behind = _wait_for_the_rest()
    _kill_descendants()
    report = {"returncode": returncode, "wall_s": wall_s, "cpu_s": cpu_s, "left_behind": left_behind}
    os.write(status_fd, json.dumps(report).encode() + b"\n")


def _adopt_orphans() -> None:
    """Makes this process the parent of every orphan below it, and ends it with its own parent."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _wait_for(kernel: int) -> tuple[int, float]:
    while True:
        pid, status, usage = os.wait4(-1, 0)
        if pid == kernel:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime


def _wait_for_the_rest() -> list[str]:
    """The names of descendants that do not end by themselves soon."""
    deadline_s = time.monotonic() + GRACE_S
    while time.monotonic() < deadline_s:
        if not _any_child_left():
            return []
        time.sleep(POLL_S)
    return [_name(pid) for pid in _descendants(os.getpid())]


def _any_child_left() -> bool:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _kill_descendants() -> None:
    """Kills until no child is left; children of the killed come to this process and go in the next round."""
    while _any_child_left():
        for pid in _descendants(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(POLL_S)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found = list(children.get(pid, ()))
    for descendant in found:  # the list grows while it is walked
        found += children.get(descendant, ())
    return found


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"process {pid}"


def _end_everything(_signal: int, _frame: FrameType | None) -> None:
    _kill_descendants()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
