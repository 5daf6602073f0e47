"""How many processors this process may use."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
"""Where a container finds its own control group."""


def usable_cpus(cgroups: Path = CGROUPS) -> int:
    """Processors that the process can keep busy: those that it may run on, or its container's share of their time.

    Args:
        cgroups: the folder of the control group.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(allowed, _quota(cgroups))))


def _quota(cgroups: Path) -> float:
    """How many processors' time the control group may take; infinite where it has no quota."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota_us, period_us = " ".join((cgroups / name).read_text(encoding="ascii") for name in files).split()
            if quota_us not in ("max", "-1"):
                return int(quota_us) / int(period_us)
        except (OSError, ValueError, ZeroDivisionError):  # another version of control groups, or none
            continue
    return math.inf
