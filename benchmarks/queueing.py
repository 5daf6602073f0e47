"""How long threads take without their waits for a processor: what they would take on cores of their own."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Share(Generic[Item]):
    """What one thread works through."""

    items: Sequence[Item]
    work: Callable[[Item], object]
    pid: int | None = None
    """A process that works for the thread while that waits for it."""


def undisturbed_s(shares: Sequence[Share[Item]]) -> float:
    """Works through each share on a thread of its own, all at the same time.

    Returns:
        The longest time that a thread took, in seconds, less what it or its process was ready to run and others ran:
        what is left is its work and its waits for locks, the interpreter's among them, but not its neighbours on the
        machine.
    """
    took_s: list[float] = []

    def run(share: Share[Item]) -> None:
        queued_s, began_s = _queued_s(share.pid), time.perf_counter()
        for item in share.items:
            share.work(item)
        took_s.append(time.perf_counter() - began_s - (_queued_s(share.pid) - queued_s))

    threads = [threading.Thread(target=run, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(took_s)


def _queued_s(pid: int | None) -> float:
    """What this thread and the process have waited for a processor so far, from the kernel's scheduler statistics."""
    tasks = [f"self/task/{threading.get_native_id()}", *([] if pid is None else [str(pid)])]
    texts = [Path("/proc", task, "schedstat").read_text(encoding="ascii") for task in tasks]
    return sum(int(text.split()[1]) for text in texts) / 1e9
