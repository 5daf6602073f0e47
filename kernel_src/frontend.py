"""A waveform to a mel spectrogram, with per-channel energy normalisation (PCEN) or in decibels.

Equal to librosa's `melspectrogram` followed by `pcen` or `power_to_db` within 1e-4 (a test compares them), but made for
little memory: frames are cut, transformed and summed into mel bands a few at a time, so that the buffers stay in the
processor's cache. The steps are C++ where there is a compiler, else numpy's and scipy's.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache, cached_property, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse

from kernel_src.frontend_native import NativeSteps
from kernel_src.frontend_numpy import SMALLEST_POWER, MelTransform, NumpySteps, PcenNumbers, Steps
from kernel_src.mel_filters import mel_filters
from kernel_src.native_code import NativeCodeError

Float32 = npt.NDArray[np.float32]
Spectrogram = npt.NDArray[np.float16]

BLOCK_FRAMES = 256
"""Frames that are scaled at a time, once their mel energies are there: 256 frames of 256 mels are 0.3 MB."""

Scaling = Literal["pcen", "db"]
"""Per-channel energy normalisation, or decibels."""

PcenStart = Literal["one", "first_frame"]
"""The smoothed energy that PCEN takes for what was before a clip: 1 in all bands, or that of its first frame."""


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
    scaling: Scaling = "pcen"
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
    pcen_start: PcenStart = "one"
    """What is taken for the energy before a clip. With 1, as librosa has it by default, the first two seconds of most
    recordings have hardly any gain control, for their bands are far below that."""

    def __post_init__(self) -> None:
        """Refuses settings that no spectrogram can be made with."""
        if self.scaling not in ("pcen", "db"):
            raise ValueError(f"scaling is {self.scaling!r}, expected 'pcen' or 'db'")
        if self.pcen_start not in ("one", "first_frame"):
            raise ValueError(f"pcen_start is {self.pcen_start!r}, expected 'one' or 'first_frame'")
        if not 0 <= self.fmin_hz < self.fmax_hz <= self.sample_rate_hz / 2:
            raise ValueError(f"bands from {self.fmin_hz} to {self.fmax_hz} Hz at {self.sample_rate_hz} Hz")

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @cached_property
    def fingerprint(self) -> str:
        """A short name for these settings: spectrograms with the same one can be shared."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def silence(self) -> float:
        """The value that digital silence has in such a spectrogram: what short clips are padded with."""
        return 0.0 if self.scaling == "pcen" else 10 * float(np.log10(SMALLEST_POWER))


def spectrogram(waveform: Float32, config: FrontendConfig) -> Spectrogram:
    """The spectrogram of a whole clip.

    Args:
        waveform: [samples] float32 at `config.sample_rate_hz`, already trimmed.
        config: the settings.

    Returns:
        [mels, frames] float16, with `count_frames` frames. It is computed in float32 and rounded once. Beside it
        only some megabytes are in use, however long the clip is.
    """
    result = np.empty((config.n_mels, count_frames(len(waveform), config)), np.float16)
    smoothed: Float32 | None = None
    for first_frame in range(0, result.shape[1], BLOCK_FRAMES):
        block = result[:, first_frame : first_frame + BLOCK_FRAMES]
        energies = _energies_of_block(waveform, config, first_frame, block.shape[1])
        if config.scaling == "pcen":
            smoothed = _pcen_block(energies, smoothed, config)
        else:
            steps().decibels(energies)
        steps().round_to(energies, block)
    return result


@cache
def steps() -> Steps:
    """The quickest ones that can be had here; the first call may wait for a compiler."""
    try:
        return NativeSteps()
    except NativeCodeError:
        return NumpySteps()


def mel_energies(waveform: Float32, config: FrontendConfig) -> Float32:
    """Mel energies, [mels, frames] float32; frame t is centred on sample t * hop, with zeros beyond the ends.

    Source: `librosa.feature.melspectrogram` with its defaults (Slaney's mel scale and area normalisation).
    """
    return _energies_of_block(waveform, config, 0, count_frames(len(waveform), config)).T


def count_frames(n_samples: int, config: FrontendConfig) -> int:
    """Frames of a clip: one for each hop that has begun; with an odd `n_fft` a frame needs one sample more."""
    return 1 + (n_samples - config.n_fft % 2) // config.hop_samples


def _energies_of_block(waveform: Float32, config: FrontendConfig, first_frame: int, n_frames: int) -> Float32:
    """Mel energies of some frames, [n_frames, mels] float32."""
    energies = np.empty((n_frames, config.n_mels), np.float32)
    first_sample = first_frame * config.hop_samples - config.n_fft // 2
    steps().mel_energies(waveform, first_sample, mel_transform(config), energies)
    return energies


@lru_cache
def mel_transform(config: FrontendConfig) -> MelTransform:
    """What the steps need for mel energies."""
    return MelTransform(config.hop_samples, _hann_window(config.n_fft), mel_bank(config), config.power)


def pcen(energies: Float32, config: FrontendConfig) -> Float32:
    """Per-channel energy normalisation: (E / (eps + M)^gain + bias)^power - bias^power, M a smoothed E.

    Args:
        energies: [mels, frames] float32.
        config: gain, bias, power, time constant and eps.

    Returns:
        [mels, frames] float32.

    Source: Wang et al. 2017, "Trainable frontend for robust and far-field keyword spotting"; the smoothing is
    `librosa.pcen`'s, and so is its initial state unless `config` has another.
    """
    normalised = np.array(energies.T, order="C")
    smoothed: Float32 | None = None
    for first_frame in range(0, len(normalised), BLOCK_FRAMES):
        smoothed = _pcen_block(normalised[first_frame : first_frame + BLOCK_FRAMES], smoothed, config)
    return normalised.T


def _pcen_block(energies: Float32, smoothed: Float32 | None, config: FrontendConfig) -> Float32:
    """PCEN of some frames, [frames, mels], in place.

    Args:
        energies: of frames that follow those before.
        smoothed: [mels] what this returned for those; None if these are the first ones.
        config: the settings.
    """
    if smoothed is None:
        smoothed = energies[0].copy() if config.pcen_start == "first_frame" else np.ones_like(energies[0])
    steps().pcen(energies, smoothed, _pcen_numbers(config))
    return smoothed


@lru_cache
def _pcen_numbers(config: FrontendConfig) -> PcenNumbers:
    share = smoothing_share(config)
    return PcenNumbers(share, config.pcen_eps, config.pcen_gain, config.pcen_bias, config.pcen_power)


def smoothing_share(config: FrontendConfig) -> float:
    """The share of a new frame in PCEN's smoothed energy, from its time constant as librosa does it."""
    frames_per_constant = config.pcen_time_constant_s * config.sample_rate_hz / config.hop_samples
    share: float = (np.sqrt(1 + 4 * frames_per_constant**2) - 1) / (2 * frames_per_constant**2)
    return share


def decibels(energies: Float32) -> Float32:
    """Energies in decibels over 1, [mels, frames] float32, at least -100. Source: `librosa.power_to_db`."""
    scaled = energies.copy()
    steps().decibels(scaled)
    return scaled


@lru_cache
def mel_bank(config: FrontendConfig) -> scipy.sparse.csr_array:
    """[mels, bins] the triangular filters; of the silver solution's, 8 in 1,000 entries are not zero."""
    return mel_filters(config.sample_rate_hz, config.n_fft, config.n_mels, config.fmin_hz, config.fmax_hz)


def _hann_window(n_fft: int) -> Float32:
    """[n_fft] the periodic Hann window."""
    return np.hanning(n_fft + 1)[:-1].astype(np.float32)
