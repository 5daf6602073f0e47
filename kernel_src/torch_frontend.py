"""Waveforms to spectrograms, many clips at a time, on any device of torch.

Equal to `kernel_src.frontend` within 1e-4 before rounding (tests compare them on the CPU device). The clips of a batch
lie one after another in one long signal, each beginning on a whole hop: so one view of it has the frames of all, and no
clip is padded to the length of another. PCEN's recursion runs over all clips at once, and starts anew at each.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.frontend import SMALLEST_POWER, FrontendConfig, count_frames, mel_bank, smoothing_share

Float32 = npt.NDArray[np.float32]
Spectrogram = npt.NDArray[np.float16]

CHUNK_FRAMES = 2048
"""Frames that are transformed at a time: 42 MB of samples, and always as many, so that the FFT is planned once."""

_GROUP_MELS = 32


@dataclass(frozen=True)
class Layout:
    """Where the clips of a batch lie, counted in frames of the long signal."""

    first_frames: tuple[int, ...]
    """The first frame of each clip."""
    n_frames: tuple[int, ...]
    """How many frames each clip has."""
    total_frames: int
    """Frames of the long signal: those of the clips and those between two clips, which nobody uses."""

    @classmethod
    def of(cls, lengths: Sequence[int], config: FrontendConfig) -> "Layout":
        """For clips of these lengths in samples."""
        n_frames = [count_frames(length, config) for length in lengths]
        gap = -(-config.n_fft // (2 * config.hop_samples))  # half a frame: no frame of one clip hears another
        starts = np.concatenate([[0], np.cumsum([count + gap for count in n_frames])])
        total = -(-int(starts[-1]) // CHUNK_FRAMES) * CHUNK_FRAMES
        return cls(tuple(int(start) for start in starts[:-1]), tuple(n_frames), total)

    def slices(self) -> list[slice]:
        """The frames of each clip."""
        return [slice(first, first + count) for first, count in zip(self.first_frames, self.n_frames, strict=True)]


class TorchFrontend:
    """The frontend of one configuration on one device.

    Args:
        config: the settings.
        device: where to compute. On CUDA, float32 matrices must be multiplied as such and not as TF32, which is
            torch's default.
    """

    def __init__(self, config: FrontendConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        self._window = torch.hann_window(config.n_fft, dtype=torch.float64).float().to(device)
        self._groups = _mel_groups(config, device)
        # Beside the network's own stream.
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def spectrograms(self, waveforms: Sequence[Float32]) -> list[Spectrogram]:
        """The spectrograms of a batch of clips.

        Args:
            waveforms: each [samples] float32 at the configuration's rate, already trimmed.

        Returns:
            For each clip [mels, frames] float16, in memory of its own.

        Raises:
            torch.OutOfMemoryError: the batch does not fit on the device.
            RuntimeError: the device cannot do it.
        """
        with self._on_own_stream():
            layout, scaled = self._scaled(waveforms)
            rounded: Spectrogram = scaled.half().T.contiguous().cpu().numpy()
        return [np.ascontiguousarray(rounded[:, frames]) for frames in layout.slices()]

    def before_rounding(self, waveforms: Sequence[Float32]) -> list[Float32]:
        """The same in float32, as tests compare it: [mels, frames] of each clip."""
        with self._on_own_stream():
            layout, scaled = self._scaled(waveforms)
            exact: Float32 = scaled.T.cpu().numpy()
        return [exact[:, frames] for frames in layout.slices()]

    def _on_own_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    @torch.inference_mode()
    def _scaled(self, waveforms: Sequence[Float32]) -> tuple[Layout, torch.Tensor]:
        """The layout and the scaled energies of all frames, [frames, mels] float32 on the device."""
        layout = Layout.of([len(waveform) for waveform in waveforms], self._config)
        energies = self._energies(self._join(waveforms, layout), layout.total_frames)
        if self._config.scaling == "db":
            return layout, 10 * torch.log10(energies.clamp_(min=SMALLEST_POWER))
        return layout, self._pcen(energies, layout)

    def _join(self, waveforms: Sequence[Float32], layout: Layout) -> torch.Tensor:
        """All clips in one signal, [samples], with zeros before, between and after them."""
        hop, n_fft = self._config.hop_samples, self._config.n_fft
        size = layout.total_frames * hop + n_fft
        on_gpu = self._device.type == "cuda"
        signal = torch.empty(size, dtype=torch.float32, pin_memory=on_gpu)
        samples, end = signal.numpy(), 0
        for waveform, first_frame in zip(waveforms, layout.first_frames, strict=True):
            start = first_frame * hop + n_fft // 2
            samples[end:start] = 0
            end = start + len(waveform)
            samples[start:end] = waveform
        samples[end:] = 0
        return signal.to(self._device, non_blocking=on_gpu)

    def _energies(self, signal: torch.Tensor, total_frames: int) -> torch.Tensor:
        """Mel energies of all frames, [frames, mels] float32."""
        frames = signal.unfold(0, self._config.n_fft, self._config.hop_samples)
        energies = torch.empty(total_frames, self._config.n_mels, device=self._device)
        for start in range(0, total_frames, CHUNK_FRAMES):
            spectrum = torch.fft.rfft(frames[start : start + CHUNK_FRAMES] * self._window)
            bins = torch.view_as_real(spectrum).square_().sum(-1)
            if self._config.power != 2:
                bins.pow_(self._config.power / 2)
            for group in self._groups:
                part = bins[:, group.first_bin : group.first_bin + len(group.weights)]
                mels = slice(group.first_mel, group.first_mel + group.weights.shape[1])
                energies[start : start + CHUNK_FRAMES, mels] = part @ group.weights
        return energies

    def _pcen(self, energies: torch.Tensor, layout: Layout) -> torch.Tensor:
        """PCEN, [frames, mels], as `kernel_src.frontend.pcen`; a clip does not hear the one before it."""
        config = self._config
        smooth = self._smooth(energies, layout)
        smooth.add_(config.pcen_eps).pow_(-config.pcen_gain)
        normalised = smooth.mul_(energies).add_(config.pcen_bias).pow_(config.pcen_power)
        return normalised.sub_(config.pcen_bias**config.pcen_power).clamp_(min=0)

    def _smooth(self, energies: torch.Tensor, layout: Layout) -> torch.Tensor:
        """M[t] = a[t] M[t - 1] + b E[t] for all clips, where a is 0 in a clip's first frame and 1 - b elsewhere.

        By doubling: after the step with span s each M[t] holds its own and the 2 s - 1 frames before it.
        """
        b = smoothing_share(self._config)
        firsts = torch.tensor(layout.first_frames, device=self._device)
        decay = torch.full((layout.total_frames, 1), 1 - b, device=self._device)
        decay[firsts] = 0
        smooth = energies * b
        smooth[firsts] += 1 - b  # as if M had been 1 before
        span = 1
        while span < max(layout.n_frames):
            smooth[span:] += decay[span:] * smooth[:-span]
            decay[span:] *= decay[:-span].clone()
            span *= 2
        return smooth


@dataclass(frozen=True)
class _MelGroup:
    """Neighbouring mel bands and the bins that they hear: a dense corner of an almost empty matrix."""

    first_mel: int
    first_bin: int
    weights: torch.Tensor
    """[bins, mels] float32."""


def _mel_groups(config: FrontendConfig, device: torch.device) -> list[_MelGroup]:
    bank = mel_bank(config).toarray()
    groups = []
    for first_mel in range(0, config.n_mels, _GROUP_MELS):
        rows = bank[first_mel : first_mel + _GROUP_MELS]
        heard = np.flatnonzero(rows.any(axis=0))
        first_bin, end_bin = (int(heard[0]), int(heard[-1]) + 1) if len(heard) else (0, 1)
        weights = torch.from_numpy(np.ascontiguousarray(rows[:, first_bin:end_bin].T))
        groups.append(_MelGroup(first_mel, first_bin, weights.to(device)))
    return groups
