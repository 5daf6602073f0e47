"""A process and all that it started, and signals to them."""

import contextlib
import os
from pathlib import Path

import psutil

# A kernel built without CONFIG_PROC_CHILDREN lacks these files; then all of /proc must be searched.
HAS_CHILDREN_FILES = Path("/proc/thread-self/children").exists()


def process_tree(root_pid: int) -> list[int]:
    """The process and all below it that still live, parents before their children."""
    if not HAS_CHILDREN_FILES:
        return _searched_tree(root_pid)
    found = [root_pid]
    for pid in found:  # the list grows while it is walked
        found += _children(pid)
    return found


def send_signal(pid: int, number: int) -> None:
    """Sends a signal to a process that may have ended by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def command_line(pid: int) -> list[str]:
    """The program and arguments of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _children(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - read many times a second
    except OSError:
        return []
    return [child for thread in threads for child in _children_of_thread(pid, thread)]


def _children_of_thread(pid: int, thread: str) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split()]
    except OSError:  # it ended meanwhile
        return []


def _searched_tree(root_pid: int) -> list[int]:
    try:
        return [root_pid, *(child.pid for child in psutil.Process(root_pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []
