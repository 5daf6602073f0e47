"""The frontend's steps in numpy and scipy: what every machine has."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse

Float32 = npt.NDArray[np.float32]
Float16 = npt.NDArray[np.float16]

SMALLEST_POWER = 1e-10  # librosa.power_to_db's `amin`

CHUNK_FRAMES = 32
"""Frames that are transformed at a time: enough that few calls are made, and so few that signal and spectrum, 0.7 MB
each for frames of 5,120 samples, stay in a cache that is not shared with much else."""


@dataclass(frozen=True, eq=False)
class MelTransform:
    """What mel energies are computed with."""

    hop_samples: int
    """From one frame to the next."""
    window: Float32
    """[n_fft]"""
    bank: scipy.sparse.csr_array
    """[mels, bins] the filters."""
    power: float
    """2 for sums of powers, 1 for sums of magnitudes."""


class PcenNumbers(NamedTuple):
    """What per-channel energy normalisation is computed with."""

    share: float
    """Of a new frame in the smoothed energy."""
    eps: float
    gain: float
    bias: float
    power: float


class Steps(Protocol):
    """The steps; all of them write to arrays that they are given."""

    def mel_energies(self, waveform: Float32, first_sample: int, transform: MelTransform, out: Float32) -> None:
        """Mel energies of frames, with zeros beyond the waveform's ends.

        Args:
            waveform: [samples]
            first_sample: of the first frame; may be negative.
            transform: what they are computed with.
            out: [frames, mels]
        """

    def pcen(self, energies: Float32, smoothed: Float32, numbers: PcenNumbers) -> None:
        """PCEN in place.

        Args:
            energies: [frames, mels] of frames that follow those before.
            smoothed: [mels] the smoothed energies of the frame before, and then of the last one.
            numbers: what it is computed with.
        """

    def decibels(self, energies: Float32) -> None:
        """[frames, mels] in decibels over 1, at least -100, in place. Source: `librosa.power_to_db`."""

    def round_to(self, block: Float32, out: Float16) -> None:
        """[frames, mels] to [mels, frames], to the nearest."""


class NumpySteps:
    """The steps in numpy and scipy."""

    def mel_energies(self, waveform: Float32, first_sample: int, transform: MelTransform, out: Float32) -> None:
        """See `Steps`.

        A chunk is laid out [bins, frames] from the transform on, which costs the transform nothing: so each of the few
        mel weights meets a row of neighbours in memory.
        """
        buffer = np.empty((CHUNK_FRAMES, len(transform.window)), np.float32)
        for start in range(0, len(out), CHUNK_FRAMES):
            chunk = out[start : start + CHUNK_FRAMES]
            windowed = buffer[: len(chunk)]
            _cut(waveform, first_sample + start * transform.hop_samples, transform, windowed)
            spectrum = scipy.fft.rfft(windowed.T, axis=0, overwrite_x=True)
            _sum_bands(spectrum.view(np.float32), transform, chunk)

    def pcen(self, energies: Float32, smoothed: Float32, numbers: PcenNumbers) -> None:
        """See `Steps`."""
        smooth = _smooth(energies, smoothed, numbers.share)
        smoothed[:] = smooth[-1]
        smooth += np.float32(numbers.eps)
        energies *= _raise(smooth, -numbers.gain)
        energies += np.float32(numbers.bias)
        _raise(energies, numbers.power)
        energies -= _raise(np.full(1, numbers.bias, np.float32), numbers.power)
        np.maximum(energies, 0, out=energies)

    def decibels(self, energies: Float32) -> None:
        """See `Steps`."""
        np.maximum(energies, np.float32(SMALLEST_POWER), out=energies)
        np.log(energies, out=energies)  # numpy's log10 has no vectors
        energies *= np.float32(10 / np.log(10))

    def round_to(self, block: Float32, out: Float16) -> None:
        """See `Steps`."""
        out[:] = block.T


def _cut(waveform: Float32, first_sample: int, transform: MelTransform, out: Float32) -> None:
    """Overlapping frames under a window, [frames, n_fft]."""
    count, n_fft = out.shape
    total = (count - 1) * transform.hop_samples + n_fft
    part = waveform[max(0, first_sample) : max(0, first_sample + total)]
    if len(part) < total:
        left = min(total, max(0, -first_sample))
        part = np.pad(part, (left, total - left - len(part)))
    # As numpy's sliding_window_view with a step, which takes 10 us a call instead of one.
    strides = transform.hop_samples * part.itemsize, part.itemsize
    frames: Float32 = np.ndarray((count, n_fft), np.float32, np.ascontiguousarray(part), strides=strides)
    np.multiply(frames, transform.window, out=out)


def _sum_bands(parts: Float32, transform: MelTransform, out: Float32) -> None:
    """[bins, frames * 2] real and imaginary parts in turn, which are overwritten, to mel energies [frames, mels]."""
    np.square(parts, out=parts)
    if transform.power == 2:  # both parts go through the filters: there are fewer sums over bands to add up than bins
        sums = transform.bank @ parts
        np.add(sums[:, ::2], sums[:, 1::2], out=out.T)
    else:
        magnitudes = parts[:, ::2] + parts[:, 1::2]
        out.T[:] = transform.bank @ np.power(magnitudes, transform.power / 2, out=magnitudes)


def _smooth(energies: Float32, before: Float32, share: float) -> Float32:
    """The recursion M[t] = (1 - b) M[t - 1] + b E[t] of PCEN, a new array.

    It is summed by doubling, with spans of 1, 2, 4 ... frames: each step is one pass over the block where a loop over
    frames would wait for every single product.
    """
    smooth = energies * np.float32(share)
    smooth[0] += np.float32(1 - share) * before
    older = np.empty_like(smooth)
    span = 1
    while span < len(smooth):
        np.multiply(smooth[:-span], np.float32((1 - share) ** span), out=older[span:])
        smooth[span:] += older[span:]
        span *= 2
    return smooth


def _raise(values: Float32, exponent: float) -> Float32:
    """Values of 0 and more to a power, in place.

    numpy computes logarithms and exponentials in vectors on every processor, powers only where there is AVX-512.
    """
    with np.errstate(divide="ignore"):  # the logarithm of 0 is minus infinity, whose exponential is 0 again
        np.log(values, out=values)
    values *= np.float32(exponent)
    return np.exp(values, out=values)
