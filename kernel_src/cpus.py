"""How many processors this process may use."""

import os


def usable_cpus() -> int:
    """Processors that the process may run on, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
