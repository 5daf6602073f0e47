"""Waveforms to spectrograms, many clips at a time, on any device of torch.

Equal to `kernel_src.frontend` within 1e-4 before rounding (tests compare them on the CPU device). The clips of a batch
are transformed as one long signal. PCEN's recursion runs over all clips at once, and starts anew at each.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.frontend import FrontendConfig, mel_bank, smoothing_share
from kernel_src.frontend_numpy import SMALLEST_POWER
from kernel_src.long_signal import LongSignal

Float32 = npt.NDArray[np.float32]
Spectrogram = npt.NDArray[np.float16]

CHUNK_FRAMES = 2048
"""Frames that are transformed at a time: 42 MB of samples, and always as many, so that the FFT is planned once."""

_GROUP_MELS = 32


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

    def spectrograms(self, signal: LongSignal) -> list[Spectrogram]:
        """The spectrograms of a batch of clips, which are already trimmed.

        Args:
            signal: the clips, laid out for this frontend's configuration.

        Returns:
            For each clip [mels, frames] float16, in memory of its own.

        Raises:
            torch.OutOfMemoryError: the batch does not fit on the device.
            RuntimeError: the device cannot do it.
        """
        with self._on_own_stream():
            rounded: Spectrogram = self._fetch(self._scaled(signal).half())
        return [np.ascontiguousarray(rounded[:, frames]) for frames in signal.clips]

    def before_rounding(self, signal: LongSignal) -> list[Float32]:
        """The same in float32, as tests compare it: [mels, frames] of each clip."""
        with self._on_own_stream():
            exact: Float32 = self._fetch(self._scaled(signal))
        return [exact[:, frames] for frames in signal.clips]

    def _on_own_stream(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _fetch(self, scaled: torch.Tensor) -> npt.NDArray[Any]:
        """[frames, mels] on the device to [mels, frames] here."""
        turned = scaled.T.contiguous()
        if self._stream is None:
            return turned.numpy()
        # Memory that the GPU writes to by itself; torch keeps it for the next batch.
        fetched = torch.empty(turned.shape, dtype=turned.dtype, pin_memory=True)
        fetched.copy_(turned, non_blocking=True)
        self._stream.synchronize()
        return fetched.numpy()

    @torch.inference_mode()
    def _scaled(self, signal: LongSignal) -> torch.Tensor:
        """The scaled energies of all frames up to the last clip's, [frames, mels] float32 on the device."""
        energies = self._energies(self._samples(signal))[: signal.end_frame]
        if self._config.scaling == "db":
            return 10 * torch.log10(energies.clamp_(min=SMALLEST_POWER))
        return self._pcen(energies, signal.clips)

    def _samples(self, signal: LongSignal) -> torch.Tensor:
        """The signal on the device, with silence up to the end of a whole chunk of frames."""
        n_chunks = -(-signal.end_frame // CHUNK_FRAMES)
        hop_samples, n_fft = self._config.hop_samples, self._config.n_fft
        samples = torch.empty((n_chunks * CHUNK_FRAMES - 1) * hop_samples + n_fft, device=self._device)
        samples[: signal.end_sample].copy_(signal.samples[: signal.end_sample], non_blocking=True)
        samples[signal.end_sample :] = 0
        return samples

    def _energies(self, samples: torch.Tensor) -> torch.Tensor:
        """Mel energies of all frames, [frames, mels] float32."""
        frames = samples.unfold(0, self._config.n_fft, self._config.hop_samples)
        energies = torch.empty(len(frames), self._config.n_mels, device=self._device)
        for start in range(0, len(frames), CHUNK_FRAMES):
            spectrum = torch.fft.rfft(frames[start : start + CHUNK_FRAMES] * self._window)
            bins = torch.view_as_real(spectrum).square_().sum(-1)
            if self._config.power != 2:
                bins.pow_(self._config.power / 2)
            for group in self._groups:
                part = bins[:, group.first_bin : group.first_bin + len(group.weights)]
                mels = slice(group.first_mel, group.first_mel + group.weights.shape[1])
                energies[start : start + CHUNK_FRAMES, mels] = part @ group.weights
        return energies

    def _pcen(self, energies: torch.Tensor, clips: Sequence[slice]) -> torch.Tensor:
        """PCEN, [frames, mels], as `kernel_src.frontend.pcen`; a clip does not hear the one before it."""
        config = self._config
        smooth = self._smooth(energies, clips)
        smooth.add_(config.pcen_eps).pow_(-config.pcen_gain)
        normalised = smooth.mul_(energies).add_(config.pcen_bias).pow_(config.pcen_power)
        return normalised.sub_(config.pcen_bias**config.pcen_power).clamp_(min=0)

    def _smooth(self, energies: torch.Tensor, clips: Sequence[slice]) -> torch.Tensor:
        """M[t] = a[t] M[t - 1] + b E[t] for all clips, where a is 0 in a clip's first frame and 1 - b elsewhere.

        To the first frame is added what it would have of the energy before it.

        By doubling: after the step with span s each M[t] holds its own and the 2 s - 1 frames before it.
        """
        b = smoothing_share(self._config)
        firsts = torch.tensor([frames.start for frames in clips], device=self._device)
        decay = torch.full((len(energies), 1), 1 - b, device=self._device)
        decay[firsts] = 0
        smooth = energies * b
        smooth[firsts] += (1 - b) * (energies[firsts] if self._config.pcen_start == "first_frame" else 1)
        span = 1
        while span < max(frames.stop - frames.start for frames in clips):
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
