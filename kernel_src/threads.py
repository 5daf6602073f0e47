"""Waiting for threads, some of which may hang."""

import threading
import time
from collections.abc import Iterable


def join_all(threads: Iterable[threading.Thread], patience_s: float) -> None:
    """Returns when all threads have ended, or after `patience_s` seconds."""
    until_s = time.monotonic() + patience_s
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
