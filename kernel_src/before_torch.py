"""Settings that torch takes only before it is loaded; without them a CPU is half as fast."""

import os
import tempfile

from kernel_src.allocator import keep_large_blocks


def prepare_for_torch() -> None:
    """Makes all settings; call it before torch is imported."""
    _settle_temporary_folder()
    keep_large_blocks()
    # By default OpenMP's threads spin while they wait; with a neighbour on one core that costs most of the speed.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _settle_temporary_folder() -> None:
    """Has Python find its temporary folder now: it tries by writing, and parts of torch ask for it on a full disk."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = "/dev/shm"  # noqa: S108 - memory, where nothing is going to be written anyway
