"""The spectrograms of many clips as one table of frames, from which crops are read in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import torch

Spectrogram = npt.NDArray[np.float16]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SpectrogramTable(Sequence[Spectrogram]):
    """Some clips' spectrograms, one after the other.

    Frames are the rows, so that a crop is one contiguous read: the table may be a mapped file far larger than memory.
    """

    frames: npt.NDArray[np.float16]
    """[frames of all clips, mels] float16; shared by all subsets."""
    starts: Index
    """[clips] the row of each clip's first frame."""
    lengths: Index
    """[clips] frames of each clip."""

    @classmethod
    def of(cls, spectrograms: Sequence[Spectrogram]) -> "SpectrogramTable":
        """A table in memory of spectrograms, each [mels, frames] float16."""
        lengths = np.array([item.shape[1] for item in spectrograms], np.int64)
        frames = np.concatenate([item.T for item in spectrograms])
        return cls(frames, np.cumsum(lengths) - lengths, lengths)

    def __len__(self) -> int:
        """How many clips."""
        return len(self.starts)

    @overload
    def __getitem__(self, clip: int) -> Spectrogram: ...
    @overload
    def __getitem__(self, clip: slice) -> "SpectrogramTable": ...
    def __getitem__(self, clip: int | slice) -> "Spectrogram | SpectrogramTable":
        """[mels, frames] the spectrogram of one clip, without a copy; or a table of several."""
        if isinstance(clip, slice):
            return self.subset(np.arange(len(self))[clip])
        start = self.starts[clip]
        return self.frames[start : start + self.lengths[clip]].T

    def subset(self, clips: npt.NDArray[np.intp]) -> "SpectrogramTable":
        """The table of some clips, given as indices; frames are not copied."""
        return SpectrogramTable(self.frames, self.starts[clips], self.lengths[clips])


class CropReader:
    """Reads crops of a table in batches, on the device if the whole table fits there.

    Args:
        table: the clips.
        crop_frames: frames of a crop.
        padding: the value beyond the ends of a short clip; None repeats the clip.
        device: where the crops are wanted.
        resident_bytes: how much of a GPU's memory the table may take; None for half of what is free.
    """

    def __init__(
        self,
        table: SpectrogramTable,
        crop_frames: int,
        padding: float | None,
        device: torch.device,
        resident_bytes: int | None = None,
    ) -> None:
        self._crop_frames = crop_frames
        self._padding = padding
        self._device = device
        frames = torch.from_numpy(table.frames)
        self._frames = frames.to(device) if fits_on(device, table.frames.nbytes, resident_bytes) else frames
        self._starts = torch.from_numpy(table.starts)
        self._lengths = torch.from_numpy(table.lengths)

    def crops(self, clips: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """One crop of each clip.

        Args:
            clips: [batch] int64 indices into the table, on the CPU.
            places: [batch] float32 in [0, 1): how far along the crop lies between the first and the last place.

        Returns:
            [batch, 1, mels, crop_frames] float32 on the device.
        """
        lengths = self._lengths[clips]
        slack = lengths - self._crop_frames  # negative for a short clip: it may lie anywhere inside its crop
        lowest = slack.clamp(max=0)
        first = lowest + (places * (slack.clamp(min=0) - lowest + 1)).long()
        if self._padding is None:
            first = torch.where(slack < 0, (places * lengths).long(), first)
        frame = first[:, None] + torch.arange(self._crop_frames)
        outside = (frame < 0) | (frame >= lengths[:, None])
        frame = frame % lengths[:, None]
        rows = (self._starts[clips][:, None] + frame).flatten().to(self._frames.device)
        read = self._frames.index_select(0, rows).to(self._device)
        images = read.view(len(clips), self._crop_frames, -1).transpose(1, 2).float()
        if self._padding is not None and bool(outside.any()):
            images = images.masked_fill(outside[:, None, :].to(self._device), self._padding)
        return images[:, None].contiguous()


def fits_on(device: torch.device, size_bytes: int, most_bytes: int | None = None) -> bool:
    """Whether something of this size may be moved to a GPU, where it takes at most half of what is free."""
    if device.type != "cuda":
        return False
    return size_bytes < (torch.cuda.mem_get_info(device)[0] / 2 if most_bytes is None else most_bytes)
