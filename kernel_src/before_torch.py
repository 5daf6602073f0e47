"""Settings that libraries take only before they are loaded; without those of torch a CPU is half as fast."""

import ctypes
import os
import tempfile

# Names and values from glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8
_KEEP_BYTES = 2**31 - 1
_TOP_PAD_BYTES = 64 * 2**20


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


def keep_large_blocks() -> bool:
    """Sets glibc's allocator so that freed blocks of any size are kept and used again.

    A network's activations are tens of megabytes each. By default glibc maps such a block when it is asked for and
    unmaps it when it is freed, and the system clears every page anew.

    Returns:
        Whether the C library took the settings; False on systems without glibc, where nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = {
        _M_MMAP_MAX: 0,
        _M_TRIM_THRESHOLD: _KEEP_BYTES,
        _M_TOP_PAD: _TOP_PAD_BYTES,
        _M_ARENA_MAX: 1,  # an arena of a thread's own holds at most 64 MB, and maps what is larger
    }
    taken = [mallopt(name, value) for name, value in settings.items()]
    return all(taken)
