"""The mel scale and its triangular filters, which are librosa's by default.

librosa itself would bring a compiler and statistics into a kernel that wants one matrix of it.

Source: Slaney 1998, "Auditory Toolbox, version 2": linear below 1 kHz, logarithmic above; filters of equal area.
"""

import warnings

import numpy as np
import numpy.typing as npt
import scipy.sparse

Float64 = npt.NDArray[np.float64]

_BEND_HZ = 1000.0
_MELS_PER_HZ = 3 / 200
_BEND_MELS = _BEND_HZ * _MELS_PER_HZ
_MELS_PER_LOG = 27 / np.log(6.4)


def mel_frequencies_hz(count: int, lowest_hz: float, highest_hz: float) -> Float64:
    """[count] frequencies that lie evenly on the mel scale, from the lowest to the highest."""
    lowest, highest = _to_mels(np.array([lowest_hz, highest_hz]))
    mels = np.linspace(lowest, highest, count)
    above = _BEND_HZ * np.exp((np.maximum(mels, _BEND_MELS) - _BEND_MELS) / _MELS_PER_LOG)
    return np.where(mels < _BEND_MELS, mels / _MELS_PER_HZ, above)


def mel_filters(sample_rate_hz: int, n_fft: int, n_mels: int, fmin_hz: float, fmax_hz: float) -> scipy.sparse.csr_array:
    """[mels, bins] float32, the triangular filters over the bins of a spectrum of real samples.

    Args:
        sample_rate_hz: of the samples.
        n_fft: samples of a frame.
        n_mels: how many filters.
        fmin_hz: where the lowest filter begins.
        fmax_hz: where the highest one ends.
    """
    bins_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate_hz)
    edges_hz = mel_frequencies_hz(n_mels + 2, fmin_hz, fmax_hz)[:, None]
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    filters = np.maximum(0, np.minimum(rising, falling)) * (2 / (high - low))
    if not filters.any(axis=1).all():
        warnings.warn(f"some of {n_mels} mel filters lie between two bins of {n_fft} samples and stay 0", stacklevel=2)
    return scipy.sparse.csr_array(filters.astype(np.float32))


def _to_mels(hz: Float64) -> Float64:
    above = _BEND_MELS + _MELS_PER_LOG * np.log(np.maximum(hz, _BEND_HZ) / _BEND_HZ)
    return np.where(hz < _BEND_HZ, hz * _MELS_PER_HZ, above)
