"""The frontend's steps beside the transform in C++ of our own: each is one pass where numpy makes several."""

import ctypes

import numpy as np
import numpy.typing as npt
import scipy.sparse

from kernel_src.frontend_numpy import Float16, Float32, NumpySteps, PcenNumbers
from kernel_src.frontend_source import CODE
from kernel_src.native_code import NativeCode

Array = npt.NDArray[np.generic]


class NativeSteps:
    """The steps in C++.

    Args:
        code: what is compiled.

    Raises:
        NativeCodeError: it cannot be had here.
    """

    def __init__(self, code: NativeCode = CODE) -> None:
        self._library = code.library()
        self._lanes = self._library.lanes()
        self._numpy = NumpySteps()
        self._filters: tuple[scipy.sparse.csr_array | None, tuple[Array, ...], tuple[object, ...]] = (None, (), ())

    def cut(self, waveform: Float32, first_sample: int, hop_samples: int, window: Float32, out: Float32) -> None:
        """See `Steps`."""
        waveform = np.ascontiguousarray(waveform, np.float32)
        samples = (_long(len(waveform)), _long(first_sample), _long(hop_samples))
        self._library.cut(_at(waveform), *samples, _at(window), _long(len(window)), _long(len(out)), _at(out))

    def mel_sums(self, parts: Float32, bank: scipy.sparse.csr_array, power: float, out: Float32) -> None:
        """See `Steps`; magnitudes, which few frontends have, are numpy's work, and so are odd ends of clips."""
        if power == 2 and parts.shape[1] % self._lanes == 0:
            parts = np.ascontiguousarray(parts)
            self._library.mel_sums(_at(parts), _long(len(out)), *self._filters_of(bank), _at(out))
        else:
            self._numpy.mel_sums(parts, bank, power, out)

    def _filters_of(self, bank: scipy.sparse.csr_array) -> tuple[object, ...]:
        """The bank as the library reads it; mostly it is the one that was asked for last."""
        last, arrays, arguments = self._filters
        if last is not bank:
            indices = (np.ascontiguousarray(array, np.int32) for array in (bank.indptr, bank.indices))
            arrays = (*indices, np.ascontiguousarray(bank.data, np.float32))
            arguments = (*map(_at, arrays), _long(bank.shape[0]))
            self._filters = bank, arrays, arguments
        return arguments

    def pcen(self, energies: Float32, smoothed: Float32, numbers: PcenNumbers) -> None:
        """See `Steps`."""
        self._library.pcen(_at(energies), _at(smoothed), *map(_long, energies.shape), *map(ctypes.c_float, numbers))

    def decibels(self, energies: Float32) -> None:
        """See `Steps`."""
        self._library.decibels(_at(energies), _long(energies.size))

    def round_to(self, block: Float32, out: Float16) -> None:
        """See `Steps`."""
        self._library.round_to(_at(block), *map(_long, block.shape), _at(out), _long(out.strides[0] // out.itemsize))


def _at(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


_long = ctypes.c_long
