"""Processes of our own, which end with us."""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # from Linux's prctl.h

AFTER_SIGTERM_S = 5.0
"""How long a process may take to leave that was asked to; its own last resort takes two seconds."""

AFTER_SIGKILL_S = 1.0
"""How long one that was killed may take: a call to a driver or a disk can hold it for ever."""

LOOK_EVERY_S = 0.05
"""How often to look whether it has ended."""


def fork(work: Callable[[], object]) -> int:
    """The id of a process that does this and ends, at the latest together with the thread that forked it.

    Raises:
        OSError: there can be no more processes.
    """
    parent_pid = os.getpid()
    gc.freeze()  # or the collector would write to every object, and each process would have copies of all pages
    with warnings.catch_warnings():
        # Python warns of locks that other threads may hold, such as a notebook's: none that the work asks for.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid != 0:
        return pid
    exit_code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent_pid:  # else it ended before that call
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of a crash would go to the kernel's own disk
            work()
            exit_code = 0
    finally:
        os._exit(exit_code)


def outlived(work: Callable[[], int], patience_s: float) -> int:
    """The exit code of some work, which a process of its own does; minus the signal, where one has ended that.

    What ends a process at once, such as a crash in a GPU's driver, or the system when memory is short, so leaves this
    one, which hands on SIGTERM and does nothing else. Best called while SIGTERM is blocked: so the work finds it.
    So does what no thread of the work can end: a library that hangs and holds the interpreter's lock.

    Args:
        work: what it does.
        patience_s: how long that may take; then its process is killed.

    Raises:
        OSError: there can be no process.
    """
    pid = fork(lambda: _work_and_leave(work))
    until_s = time.monotonic() + patience_s

    def hand_on(*_: object) -> None:
        nonlocal until_s
        until_s = min(until_s, time.monotonic() + AFTER_SIGTERM_S)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, hand_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    exit_code = _exit_code(pid, lambda: until_s)
    if exit_code is None:
        os.kill(pid, signal.SIGKILL)
        until_s = time.monotonic() + AFTER_SIGKILL_S
        exit_code = _exit_code(pid, lambda: until_s)
    signal.signal(signal.SIGTERM, before)
    return -signal.SIGKILL if exit_code is None else exit_code


def _work_and_leave(work: Callable[[], int]) -> None:
    exit_code = 1
    try:
        exit_code = work()
    except BaseException:  # noqa: BLE001 - there is nobody else to tell
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # it is closed, or there is none
            stream.flush()
    os._exit(exit_code)


def _exit_code(pid: int, until_s: Callable[[], float]) -> int | None:
    """A child's exit code, minus the signal that has ended it; None if it has not ended by then."""
    while time.monotonic() < until_s():
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(LOOK_EVERY_S)
    return None


def name_of_end(exit_code: int) -> str:
    """What people call it: the exit code, or the signal whose number it is below 0."""
    return f"exit code {exit_code}" if exit_code >= 0 else signal.Signals(-exit_code).name
