"""Arrays from a process to the one that forked it: in memory that they share, or through their pipe when they are long.

A pipe copies everything twice, in small pieces, and each of them costs the reader the interpreter's lock.
"""

import os
from dataclasses import dataclass
from mmap import mmap
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SHARED_BYTES = 8 << 20
"""47 s of sound at 44.1 kHz. Memory is taken as it is written to."""


@dataclass(frozen=True)
class ArrayHeader:
    """Announces an array."""

    shape: tuple[int, ...]
    dtype: str
    shared: bool
    """Whether it lies in the shared memory; else its bytes follow."""


class ArrayChannel:
    """Memory that is shared with all processes that are forked after it was made; one array is under way at a time."""

    def __init__(self) -> None:
        self._memory = mmap(-1, SHARED_BYTES)

    def send(self, connection: Connection, array: Array) -> None:
        """Sends an array in one copy: of a long clip, each further one takes tens of megabytes."""
        shared = array.nbytes <= SHARED_BYTES
        header = ArrayHeader(array.shape, array.dtype.str, shared)
        if shared:
            self._in_memory(header)[...] = array
        connection.send(header)
        left = memoryview(b"") if shared else np.ascontiguousarray(array).data.cast("B")
        while left:
            left = left[os.write(connection.fileno(), left) :]

    def receive(self, connection: Connection, header: ArrayHeader) -> Array:
        """The array that was announced; it may be overwritten by the next one.

        Raises:
            EOFError: the other end was closed before all of it had come.
            OSError: as reading raises it.
            MemoryError: it does not fit into memory.
        """
        if header.shared:
            return self._in_memory(header)
        array = np.empty(header.shape, header.dtype)
        left = array.data.cast("B")
        while left:
            n_bytes = os.readv(connection.fileno(), [left])
            if n_bytes == 0:
                raise EOFError
            left = left[n_bytes:]
        return array

    def _in_memory(self, header: ArrayHeader) -> Array:
        return np.ndarray(header.shape, header.dtype, self._memory)
