"""The waveforms of a batch, one after another in a single signal.

Each clip begins on a whole hop, and half a frame of silence or more lies between two: so one view of the signal has the
frames of all, nothing is padded to the length of another clip, and no frame of one clip hears another.
"""

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.frontend import FrontendConfig, count_frames

Float32 = npt.NDArray[np.float32]


class LongSignal:
    """Room for waveforms, and where each of them lies.

    Args:
        config: decides how many samples a frame and a hop have.
        capacity_samples: how much room there is, gaps included.
        pinned: whether it is memory that a GPU reads by itself.

    Attributes:
        config: as given.
        samples: [capacity_samples] float32; all up to `end_sample` have been written or are about to be.
        clips: the frames of each clip, counted in those of the signal.

    Raises:
        RuntimeError: there is no such memory left.
    """

    def __init__(self, config: FrontendConfig, capacity_samples: int, *, pinned: bool = False) -> None:
        self.config = config
        self.samples = torch.empty(capacity_samples, dtype=torch.float32, pin_memory=pinned)
        self.clips: list[slice] = []
        self._ends: list[int] = []
        self._written: Float32 = self.samples.numpy()

    @classmethod
    def of(cls, waveforms: Sequence[Float32], config: FrontendConfig, *, pinned: bool = False) -> Self:
        """As much room as these waveforms need, with them in it."""
        signal = cls(config, sum(samples_of(len(waveform), config) for waveform in waveforms), pinned=pinned)
        for waveform in waveforms:
            room = signal.reserve(len(waveform))
            assert room is not None
            room[:] = waveform
        return signal

    @property
    def end_sample(self) -> int:
        """Where the last clip ends."""
        return self._ends[-1] if self._ends else 0

    @property
    def end_frame(self) -> int:
        """Where the frames of the last clip end."""
        return self.clips[-1].stop if self.clips else 0

    def reserve(self, n_samples: int) -> Float32 | None:
        """A place for one more waveform, [n_samples], which the caller fills; None where there is no room for it."""
        hop_samples, half_frame = self.config.hop_samples, self.config.n_fft // 2
        first_frame = self.end_frame + (_gap_frames(self.config) if self.clips else 0)
        start = first_frame * hop_samples + half_frame
        if start + n_samples > len(self._written):
            return None
        self._written[self.end_sample : start] = 0
        self.clips.append(slice(first_frame, first_frame + count_frames(n_samples, self.config)))
        self._ends.append(start + n_samples)
        return self._written[start : start + n_samples]

    def waveforms(self) -> Iterator[Float32]:
        """The clips, each [samples], as views."""
        for frames, end in zip(self.clips, self._ends, strict=True):
            yield self._written[frames.start * self.config.hop_samples + self.config.n_fft // 2 : end]


def samples_of(n_samples: int, config: FrontendConfig) -> int:
    """The room that one clip needs at most, with the silence around it."""
    frames = count_frames(n_samples, config) + _gap_frames(config)
    return frames * config.hop_samples + config.n_fft


def _gap_frames(config: FrontendConfig) -> int:
    """Frames that hear two clips, and belong to neither."""
    return -(-config.n_fft // (2 * config.hop_samples))
