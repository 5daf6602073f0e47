"""Augmented batches. What a step's batch holds depends on seed and step alone, so a training can go on anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.frontend import FrontendConfig
from train_offline.augment import amplify, follow, louder, mask, mixup, tells_of_level, zoom_and_warp
from train_offline.recipes import Augmentation
from train_offline.spectrogram_table import CropReader, SpectrogramTable

Float32 = npt.NDArray[np.float32]
Clips = tuple[torch.Tensor, torch.Tensor]
"""Images [batch, 1, mels, frames] and targets [batch, labels], both float32."""

KEPT_LENGTHS = (0.3, 0.7)
"""Where in a crop another clip may take over, as shares of its length."""


class Stream(IntEnum):
    """What randomness is drawn for: each has its own, from the seed and the epoch or the step."""

    ORDER = 0
    AUGMENTATION = 1
    PARTNERS = 2


@dataclass(frozen=True)
class TrainingSet:
    """Clips with their labels."""

    fnames: Sequence[str]
    spectrograms: SpectrogramTable
    targets: npt.NDArray[np.bool_]
    """[clips, labels]"""


@dataclass(frozen=True)
class Source:
    """Clips that a network learns from."""

    fnames: Sequence[str]
    spectrograms: SpectrogramTable
    targets: Float32
    """[clips, labels] in [0, 1]."""
    weight: float = 1.0
    """What each clip counts in the loss."""

    @classmethod
    def of(cls, clips: TrainingSet) -> "Source":
        """Clips whose labels are trusted."""
        return cls(clips.fnames, clips.spectrograms, clips.targets.astype(np.float32))


@dataclass(frozen=True)
class Normalisation:
    """How the input of a network is normalised."""

    mean: float
    std: float


@dataclass(frozen=True)
class Batch:
    """What a network learns from in one step."""

    fnames: tuple[str, ...]
    images: torch.Tensor
    """[batch, 1, mels, frames] float32, normalised."""
    targets: torch.Tensor
    """[batch, labels] float32 in [0, 1]."""
    weights: torch.Tensor
    """[batch] float32."""


class Batches:
    """Batches of a training, in an order of its own for each epoch; the last part of a batch is left out.

    Args:
        sources: the clips.
        augmentation: what is done to them.
        frontend: the settings of their spectrograms.
        crop_frames: the network's input.
        padding: the value beyond the ends of a short clip; None repeats the clip.
        normalisation: of the images.
        batch_clips: clips in a batch; no more than there are.
        seed: of order and augmentation.
        device: where the batches are wanted.
        resident_bytes: how much of a GPU's memory the spectrograms may take; None for half of what is free.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        augmentation: Augmentation,
        *,
        frontend: FrontendConfig,
        crop_frames: int,
        padding: float | None,
        normalisation: Normalisation,
        batch_clips: int,
        seed: int,
        device: torch.device,
        resident_bytes: int | None = None,
    ) -> None:
        self._augmentation = augmentation
        self._frontend = frontend
        self._normalisation = normalisation
        self._batch_clips = batch_clips
        self._seed = seed
        self.device = device
        self._fnames = [fname for source in sources for fname in source.fnames]
        self._targets = torch.from_numpy(np.concatenate([source.targets for source in sources]))
        counts = [len(source.fnames) for source in sources]
        self._weights = torch.tensor([source.weight for source in sources]).repeat_interleave(torch.tensor(counts))
        self._ends = np.cumsum(counts)
        self._readers = [
            CropReader(source.spectrograms, crop_frames, padding, device, resident_bytes) for source in sources
        ]
        self._order = lru_cache(maxsize=2)(self._draw_order)

    @property
    def steps_per_epoch(self) -> int:
        """Batches until every clip had its turn."""
        return max(1, len(self._fnames) // self._batch_clips)

    def batch(self, step: int) -> Batch:
        """The batch of a step, from 0 on."""
        rows = self._rows(step, Stream.ORDER)
        rng = np.random.default_rng((self._seed, Stream.AUGMENTATION, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        clips = self._looks(rows, generator)
        drawn = rng.random(len(rows))
        if self._augmentation.partners == "all":
            partner = self._looks(self._rows(step, Stream.PARTNERS), generator)
        else:
            others = torch.from_numpy(rng.permutation(len(rows))).to(self.device)
            partner = clips[0][others], clips[1][others]
        images, targets = self._combined(clips, partner, drawn, rng)
        if self._augmentation.masks:
            images = mask(images, self._augmentation.masks, self._augmentation.mask_share, generator)
        weights = self._weights[rows].to(self.device)
        return Batch(tuple(self._fnames[row] for row in rows.tolist()), images, targets, weights)

    def _rows(self, step: int, stream: Stream) -> npt.NDArray[np.intp]:
        epoch, place = divmod(step, self.steps_per_epoch)
        return self._order(epoch, stream)[place * self._batch_clips : (place + 1) * self._batch_clips]

    def _draw_order(self, epoch: int, stream: Stream) -> npt.NDArray[np.intp]:
        return np.random.default_rng((self._seed, stream, epoch)).permutation(len(self._fnames))

    def _looks(self, rows: npt.NDArray[np.intp], generator: torch.Generator) -> Clips:
        """Crops at random places, with a random gain, normalised, zoomed and warped; and their clips' targets."""
        settings = self._augmentation
        images = self._crops(rows, torch.rand(len(rows), generator=generator))
        if settings.max_gain_db and tells_of_level(self._frontend):
            gains_db = (torch.rand(len(rows), generator=generator) * 2 - 1) * settings.max_gain_db
            images = amplify(images, gains_db.to(self.device), self._frontend)
        images = (images - self._normalisation.mean) / self._normalisation.std
        if settings.max_zoom > 1 or settings.max_warp:
            images = zoom_and_warp(images, settings.max_zoom, settings.max_warp, generator)
        return images, self._targets[rows].to(self.device)

    def _crops(self, rows: npt.NDArray[np.intp], places: torch.Tensor) -> torch.Tensor:
        source_of = np.searchsorted(self._ends, rows, side="right")
        images: torch.Tensor | None = None
        for index, reader in enumerate(self._readers):
            chosen = np.flatnonzero(source_of == index)
            if not len(chosen):
                continue
            first = int(self._ends[index - 1]) if index else 0
            crops = reader.crops(torch.from_numpy(rows[chosen] - first), places[chosen])
            if len(chosen) == len(rows):
                return crops
            if images is None:
                images = crops.new_empty(len(rows), *crops.shape[1:])
            images[torch.from_numpy(chosen).to(self.device)] = crops
        assert images is not None, "a batch has clips"
        return images

    def _combined(
        self, clips: Clips, partner: Clips, drawn: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> Clips:
        """Each clip mixed with its partner, followed by it, or neither, as `drawn` from 0 to 1 says."""
        settings, count = self._augmentation, len(drawn)
        images, targets = clips
        mixed = drawn < settings.mixed_share
        followed = ~mixed & (drawn < settings.mixed_share + settings.following_share)
        if settings.mixing == "maximum":
            images, targets = louder(images, targets, partner, torch.from_numpy(mixed).to(self.device))
        else:
            weights_drawn = rng.beta(settings.mixup_alpha, settings.mixup_alpha, count)
            own = np.where(mixed, np.maximum(weights_drawn, 1 - weights_drawn), 1.0)
            images, targets = mixup(images, targets, partner, self._tensor(own))
        if settings.following_share:
            lengths = np.where(followed, rng.uniform(*KEPT_LENGTHS, count), 1.0)
            images, targets = follow(images, targets, partner, self._tensor(lengths))
        return images, targets

    def _tensor(self, values: npt.NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)
