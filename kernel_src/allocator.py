"""What glibc's allocator keeps of freed memory, and what it gives back to the system."""

import ctypes

# Names and values from glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8
_KEEP_BYTES = 2**31 - 1
_TOP_PAD_BYTES = 64 * 2**20


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


def give_back_free_blocks() -> None:
    """Gives back what is free now and may have been kept: after a phase that needed more than the rest will."""
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # no glibc
        return
    malloc_trim(0)
