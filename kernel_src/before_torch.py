"""Settings that libraries take only before they are loaded; without those of torch a CPU is half as fast."""

import os
import tempfile

from kernel_src.allocator import keep_large_blocks


def prepare_for_librosa() -> None:
    """Makes the settings that librosa needs; call it before librosa is imported."""
    # librosa, which makes the mel filterbank, has numba cache compiled code that we never call: its import takes
    # seconds, and fails where the disk is full.
    os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    _settle_temporary_folder()


def prepare_for_torch() -> None:
    """Makes all settings; call it before torch is imported."""
    prepare_for_librosa()
    keep_large_blocks()
    # By default OpenMP's threads spin while they wait; with a neighbour on one core that costs most of the speed.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _settle_temporary_folder() -> None:
    """Has Python find its temporary folder now: it tries by writing, and parts of torch ask for it on a full disk."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = "/dev/shm"  # noqa: S108 - memory, where nothing is going to be written anyway
