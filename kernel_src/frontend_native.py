"""The frontend's steps in C++ of our own: from a waveform to mel energies, and scalings, each in one pass.

The transform is Stockham's, of as many frames side by side as the processor has floats in a vector: such a transform
needs no numbers but its own, and its arrays stay in the cache.
"""

import ctypes
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from kernel_src.frontend_numpy import Float16, Float32, MelTransform, NumpySteps, PcenNumbers
from kernel_src.frontend_source import CODE
from kernel_src.native_code import NativeCode

Array = npt.NDArray[np.generic]
Int32 = npt.NDArray[np.int32]
Complex64 = npt.NDArray[np.complex64]

RADICES = (4, 2, 3, 5)
"""The transform's steps; all other lengths are scipy's work. Steps of 8 took twice as long, for want of registers."""


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

    def mel_energies(self, waveform: Float32, first_sample: int, transform: MelTransform, out: Float32) -> None:
        """See `Steps`; frames whose length has other prime factors than 2, 3 and 5, or is odd, are scipy's work."""
        tables = tables_of(transform)
        if tables is None:
            self._numpy.mel_energies(waveform, first_sample, transform, out)
            return
        waveform = np.ascontiguousarray(waveform, np.float32)
        n_fft = len(transform.window)
        samples = map(_long, (len(waveform), first_sample, transform.hop_samples))
        work = np.empty((n_fft * 5 // 2 + 3) * self._lanes, np.float32)
        self._library.mel_energies(
            *(at(waveform), *samples, at(transform.window), _long(n_fft)),
            *map(at, (tables.radices, tables.turns, tables.half_turns, tables.starts, tables.bins, tables.weights)),
            *(_long(out.shape[1]), ctypes.c_float(transform.power), at(work), _long(len(out)), at(out)),
        )

    def pcen(self, energies: Float32, smoothed: Float32, numbers: PcenNumbers) -> None:
        """See `Steps`."""
        self._library.pcen(at(energies), at(smoothed), *map(_long, energies.shape), *map(ctypes.c_float, numbers))

    def decibels(self, energies: Float32) -> None:
        """See `Steps`."""
        self._library.decibels(at(energies), _long(energies.size))

    def round_to(self, block: Float32, out: Float16) -> None:
        """See `Steps`."""
        self._library.round_to(at(block), *map(_long, block.shape), at(out), _long(out.strides[0] // out.itemsize))


@dataclass(frozen=True)
class Tables:
    """A transform as the library reads it."""

    radices: Int32
    """Of the transform's steps, and a 0."""
    turns: Complex64
    """Factors of each step after the other, [count, radix - 1] each."""
    half_turns: Complex64
    """[n_fft // 4 + 1] factors that make the spectrum of real values of one of half as many complex ones."""
    starts: Int32
    """[mels + 1] where a filter's weights begin."""
    bins: Int32
    """[starts[mels]] what is weighed."""
    weights: Float32
    """[starts[mels]]"""


@lru_cache
def tables_of(transform: MelTransform) -> Tables | None:
    """The tables; None where the transform cannot be made of the steps that there are."""
    half, odd = divmod(len(transform.window), 2)
    radices = _radices_of(half)
    if odd or radices is None:
        return None
    turns, points = [np.empty(0)], half
    for radix in radices:
        turns.append(np.outer(np.arange(points // radix), np.arange(1, radix)).ravel() / points)
        points //= radix
    bank = transform.bank
    return Tables(
        np.array([*radices, 0], np.int32),
        _turned(np.concatenate(turns)),
        _turned(np.arange(half // 2 + 1) / len(transform.window)),
        np.ascontiguousarray(bank.indptr, np.int32),
        np.ascontiguousarray(bank.indices, np.int32),
        np.ascontiguousarray(bank.data, np.float32),
    )


def _radices_of(points: int) -> list[int] | None:
    radices = []
    for radix in RADICES:
        while points > 1 and points % radix == 0:
            radices.append(radix)
            points //= radix
    return radices if points == 1 else None


def _turned(turns: npt.NDArray[np.float64]) -> Complex64:
    factors: Complex64 = np.exp(-2j * np.pi * turns).astype(np.complex64)
    return factors


def at(array: Array) -> ctypes.c_void_p:
    """Where an array begins; it has to be kept while that is in use."""
    return ctypes.c_void_p(array.ctypes.data)


_long = ctypes.c_long
