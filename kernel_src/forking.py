"""Processes of our own, which end with us."""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # from Linux's prctl.h


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


def outlived(work: Callable[[], int]) -> int:
    """The exit code of some work, which a process of its own does; minus the signal, where one has ended that.

    What ends a process at once, such as a crash in a GPU's driver, or the system when memory is short, so leaves this
    one, which hands on SIGTERM and does nothing else. Best called while SIGTERM is blocked: so the work finds it.

    Raises:
        OSError: there can be no process.
    """

    def work_and_leave() -> None:
        exit_code = 1
        try:
            exit_code = work()
        except BaseException:  # noqa: BLE001 - there is nobody else to tell
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):  # it is closed, or there is none
                stream.flush()
        os._exit(exit_code)

    pid = fork(work_and_leave)

    def hand_on(*_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, hand_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _, status = os.waitpid(pid, 0)
    signal.signal(signal.SIGTERM, before)
    return os.waitstatus_to_exitcode(status)


def name_of_end(exit_code: int) -> str:
    """What people call it: the exit code, or the signal whose number it is below 0."""
    return f"exit code {exit_code}" if exit_code >= 0 else signal.Signals(-exit_code).name
