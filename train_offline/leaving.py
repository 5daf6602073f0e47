"""How a command ends before its end: by a signal, or because nobody reads what it says any more."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def leaving_in_order() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP leave by `SystemExit`, so that what is half done is kept or removed on the way."""

    def leave(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores one
    before = {number: signal.signal(number, leave) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def nobody_reads() -> int:
    """The exit code where stdout is a pipe that was closed, such as `head`'s; what is left to say is said to no one."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE
