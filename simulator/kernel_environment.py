"""The environment variables of a kernel: few, clean, and the overrides of its limits."""

import json
import sys
from pathlib import Path

from simulator.kernel_folders import KAGGLE_VIEW, KernelView
from simulator.settings import Rehearsal

THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def kernel_environment(rehearsal: Rehearsal, view: KernelView) -> dict[str, str]:
    """All environment variables that the kernel gets."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(view.temporary / "home"),
        "TMPDIR": str(view.temporary),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "KAGGLE_KERNEL_RUN_TYPE": "Batch",
        "HOURGLASS_OVERRIDES": json.dumps(_overrides(rehearsal, view)),
    }
    if rehearsal.rerun:
        environment["KAGGLE_IS_COMPETITION_RERUN"] = "1"
    if not rehearsal.gpu:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    if rehearsal.cpus is not None:
        environment |= dict.fromkeys(THREAD_COUNTS, str(rehearsal.cpus))
    return environment


def _overrides(rehearsal: Rehearsal, view: KernelView) -> dict[str, object]:
    overrides: dict[str, object] = {
        **rehearsal.overrides,
        "time_s": rehearsal.limits.time_s,
        "memory_bytes": rehearsal.limits.memory_bytes,
        "disk_bytes": rehearsal.limits.disk_bytes,
    }
    if view != KAGGLE_VIEW:
        overrides |= {"input_dir": str(view.inputs), "working_dir": str(view.working)}
    return overrides
