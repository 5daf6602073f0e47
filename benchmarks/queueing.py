"""How long threads take without their waits for a processor: what they would take on cores of their own."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")


def undisturbed_s(shares: Sequence[Sequence[Item]], work: Callable[[Item], object]) -> float:
    """Works through each share on a thread of its own, all at the same time.

    Returns:
        The longest time that a thread took, in seconds, less what it was ready to run and others ran: what is left is
        its work and its waits for locks, the interpreter's among them, but not its neighbours on the machine.
    """
    took_s: list[float] = []

    def run(share: Sequence[Item]) -> None:
        queued_s, began_s = _queued_s(), time.perf_counter()
        for item in share:
            work(item)
        took_s.append(time.perf_counter() - began_s - (_queued_s() - queued_s))

    threads = [threading.Thread(target=run, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(took_s)


def _queued_s() -> float:
    """What this thread has waited for a processor so far, from the kernel's scheduler statistics."""
    fields = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text(encoding="ascii").split()
    return int(fields[1]) / 1e9
