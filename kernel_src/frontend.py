"""A waveform to a mel spectrogram, with per-channel energy normalisation (PCEN) or in decibels.

Equal to librosa's `melspectrogram` followed by `pcen` or `power_to_db` within 1e-4 (a test compares them), but made for
threads and little memory: frames are cut, transformed and summed into mel bands a few at a time, so that the buffers
stay in the processor's cache, and scipy's FFT releases the interpreter's lock.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal
import scipy.sparse
from librosa.filters import mel as mel_filterbank

Float32 = npt.NDArray[np.float32]
Spectrogram = npt.NDArray[np.float16]

CHUNK_FRAMES = 32
"""Frames that are transformed at a time: 32 frames of 5,120 samples are 0.7 MB, which fits a core's own cache."""

_SMALLEST_POWER = 1e-10  # librosa.power_to_db's `amin`


@dataclass(frozen=True)
class FrontendConfig:
    """What a spectrogram is made with. The defaults are the silver solution's."""

    sample_rate_hz: int = 44_100
    """Clips at other rates are resampled."""
    n_mels: int = 256
    """Mel bands."""
    n_fft: int = 5120
    """Samples of a frame, under a Hann window."""
    hop_samples: int = 689
    """Samples from one frame to the next; 256 frames of 689 are 4.0 s."""
    fmin_hz: float = 0.0
    """The lowest band begins here."""
    fmax_hz: float = 22_050.0
    """The highest band ends here."""
    power: float = 2.0
    """2 for a power spectrogram, 1 for a magnitude spectrogram."""
    trim_top_db: float | None = 60.0
    """Leading and trailing frames this far below the loudest are cut off; None keeps them."""
    scaling: Literal["pcen", "db"] = "pcen"
    """How mel energies are compressed."""

    pcen_gain: float = 0.6
    """How strongly a band is divided by its own recent energy; 1 is fully."""
    pcen_bias: float = 0.1
    """Added before the root."""
    pcen_power: float = 0.2
    """The root."""
    pcen_time_constant_s: float = 0.4
    """Of the smoothing that gives the recent energy."""
    pcen_eps: float = 1e-9
    """Keeps the division finite."""

    def __post_init__(self) -> None:
        """Refuses settings that no spectrogram can be made with."""
        if self.scaling not in ("pcen", "db"):
            raise ValueError(f"scaling is {self.scaling!r}, expected 'pcen' or 'db'")
        if not 0 <= self.fmin_hz < self.fmax_hz <= self.sample_rate_hz / 2:
            raise ValueError(f"bands from {self.fmin_hz} to {self.fmax_hz} Hz at {self.sample_rate_hz} Hz")

    @property
    def fingerprint(self) -> str:
        """A short name for these settings: spectrograms with the same one can be shared."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def silence(self) -> float:
        """The value that digital silence has in such a spectrogram: what short clips are padded with."""
        return 0.0 if self.scaling == "pcen" else 10 * float(np.log10(_SMALLEST_POWER))


def spectrogram(waveform: Float32, config: FrontendConfig) -> Spectrogram:
    """The spectrogram of a whole clip.

    Args:
        waveform: [samples] float32 at `config.sample_rate_hz`, already trimmed.
        config: the settings.

    Returns:
        [mels, frames] float16, with 1 + samples // hop frames. It is computed in float32 and rounded once.
    """
    energies = mel_energies(waveform, config)
    scaled = pcen(energies, config) if config.scaling == "pcen" else decibels(energies)
    return scaled.astype(np.float16)


def mel_energies(waveform: Float32, config: FrontendConfig) -> Float32:
    """Mel energies, [mels, frames] float32; frame t is centred on sample t * hop, with zeros beyond the ends.

    Source: `librosa.feature.melspectrogram` with its defaults (Slaney's mel scale and area normalisation).
    """
    bank, window = _mel_bank(config), _hann_window(config.n_fft)
    energies = np.empty((config.n_mels, 1 + len(waveform) // config.hop_samples), np.float32)
    for first_frame, frames in _chunks_of_frames(waveform, config):
        spectrum = scipy.fft.rfft(frames * window, axis=1, overwrite_x=True)
        bins = np.square(spectrum.real)
        bins += np.square(spectrum.imag)
        if config.power != 2:
            np.power(bins, config.power / 2, out=bins)
        energies[:, first_frame : first_frame + len(frames)] = bank @ bins.T
    return energies


def _chunks_of_frames(waveform: Float32, config: FrontendConfig) -> Iterator[tuple[int, Float32]]:
    """Pairs of the first frame's index and frames, [chunk, n_fft], without a padded copy of a long waveform."""
    n_frames = 1 + len(waveform) // config.hop_samples
    half = config.n_fft // 2
    for first_frame in range(0, n_frames, CHUNK_FRAMES):
        count = min(CHUNK_FRAMES, n_frames - first_frame)
        start = first_frame * config.hop_samples - half
        stop = start + (count - 1) * config.hop_samples + config.n_fft
        part = waveform[max(0, start) : max(0, stop)]
        left = max(0, -start)
        if left or len(part) < stop - start:
            part = np.pad(part, (left, stop - start - left - len(part)))
        yield first_frame, np.lib.stride_tricks.sliding_window_view(part, config.n_fft)[:: config.hop_samples]


def pcen(energies: Float32, config: FrontendConfig) -> Float32:
    """Per-channel energy normalisation: (E / (eps + M)^gain + bias)^power - bias^power, M a smoothed E.

    Args:
        energies: [mels, frames] float32.
        config: gain, bias, power, time constant and eps.

    Returns:
        [mels, frames] float32.

    Source: Wang et al. 2017, "Trainable frontend for robust and far-field keyword spotting"; the smoothing and its
    initial state (that of a band whose energy has always been 1) are `librosa.pcen`'s.
    """
    frames_per_constant = config.pcen_time_constant_s * config.sample_rate_hz / config.hop_samples
    b = (np.sqrt(1 + 4 * frames_per_constant**2) - 1) / (2 * frames_per_constant**2)
    state = np.full((len(energies), 1), 1 - b, np.float32)
    smoothing = np.array([b], np.float32), np.array([1, b - 1], np.float32)
    smooth, _ = scipy.signal.lfilter(*smoothing, energies, axis=-1, zi=state)
    smooth += np.float32(config.pcen_eps)
    normalised = energies * np.power(smooth, -config.pcen_gain, out=smooth)
    normalised += np.float32(config.pcen_bias)
    np.power(normalised, config.pcen_power, out=normalised)
    normalised -= np.float32(config.pcen_bias**config.pcen_power)
    return np.maximum(normalised, 0, out=normalised)


def decibels(energies: Float32) -> Float32:
    """Energies in decibels over 1, [mels, frames] float32, at least -100. Source: `librosa.power_to_db`."""
    scaled: Float32 = 10 * np.log10(np.maximum(energies, np.float32(_SMALLEST_POWER)))
    return scaled


@lru_cache
def _mel_bank(config: FrontendConfig) -> scipy.sparse.csr_array:
    """[mels, bins] the triangular filters; 2 in 1,000 of their entries are not zero."""
    bank = mel_filterbank(
        sr=config.sample_rate_hz,
        n_fft=config.n_fft,
        n_mels=config.n_mels,
        fmin=config.fmin_hz,
        fmax=config.fmax_hz,
    )
    return scipy.sparse.csr_array(bank.astype(np.float32))


@lru_cache
def _hann_window(n_fft: int) -> Float32:
    window: Float32 = scipy.signal.get_window("hann", n_fft).astype(np.float32)
    return window
