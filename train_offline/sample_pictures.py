"""Spectrograms of some clips: as the network may see them in training, and in decibels beside PCEN."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.audio import read_waveform
from kernel_src.errors import ClipError
from kernel_src.frontend import FrontendConfig, spectrogram
from train_offline.augment import amplify, follow, louder, mask, mixup, tells_of_level, zoom_and_warp
from train_offline.dataset import Split
from train_offline.pictures import Picture, picture_rows
from train_offline.recipes import Augmentation, Recipe, Size
from train_offline.spectrogram_table import CropReader, SpectrogramTable

SEED = 0


@dataclass(frozen=True)
class SampleClip:
    """A clip to look at."""

    fname: str
    labels: tuple[str, ...]
    waveform: npt.NDArray[np.float32]
    """[samples] trimmed as the frontend wants it."""


def sample_clips(split: Split, frontend: FrontendConfig, count: int) -> list[SampleClip]:
    """Some clips with different labels, the same ones each time; clips that cannot be read are passed over."""
    found: list[SampleClip] = []
    seen: set[str] = set()
    for clip in np.random.default_rng(SEED).permutation(len(split.fnames)).tolist():
        labels = tuple(np.asarray(split.labels)[split.targets[clip]].tolist())
        if len(found) == count or seen & set(labels):
            continue
        try:
            waveform = read_waveform(split.folder / split.fnames[clip], frontend.sample_rate_hz, frontend.trim_top_db)
        except ClipError:
            continue
        found.append(SampleClip(split.fnames[clip], labels, waveform))
        seen.update(labels)
    return found


def augmented_pictures(clips: Sequence[SampleClip], recipe: Recipe, size: Size) -> str:
    """Each clip whole, and after each step on its way into the first fold's network, by the recipe's augmentation."""
    settings, frontend = recipe.augmentation, recipe.size_of_fold(size, 0).frontend
    rng, generator = np.random.default_rng(SEED), torch.Generator().manual_seed(SEED)
    table = SpectrogramTable.of([spectrogram(clip.waveform, frontend) for clip in clips])
    padding = None if recipe.padding == "repeat" else frontend.silence
    reader = CropReader(table, size.crop_frames, padding, torch.device("cpu"))
    crops = reader.crops(torch.arange(len(clips)), torch.rand(len(clips), generator=generator))
    steps = [("random crop", crops)]
    if settings.max_gain_db and tells_of_level(frontend):
        gains_db = (torch.rand(len(clips), generator=generator) * 2 - 1) * settings.max_gain_db
        steps.append(("louder or softer", amplify(crops, gains_db, frontend)))
    warped = zoom_and_warp(steps[-1][1], settings.max_zoom, settings.max_warp, generator)
    steps += [("zoomed and warped", warped), (_mixing_text(settings), _mixed(warped, settings, rng))]
    if settings.following_share:
        steps.append(("followed by the next", _followed(warped)))
    if settings.masks:
        level = float(warped.mean())  # where the network's input is 0, which is what masks write
        steps.append(("masked", mask(steps[-1][1] - level, settings.masks, settings.mask_share, generator) + level))
    rows = [
        [
            Picture(table[number].astype(np.float32), "the whole clip"),
            *(Picture(images[number, 0].numpy(), caption) for caption, images in steps),
        ]
        for number in range(len(clips))
    ]
    headings = [f"{', '.join(clip.labels)}: {clip.fname}" for clip in clips]
    return picture_rows(rows, frontend, title="spectrograms with their augmentations", headings=headings)


def _mixing_text(settings: Augmentation) -> str:
    return "averaged with the next" if settings.mixing == "average" else "louder of it and the next"


def _mixed(images: torch.Tensor, settings: Augmentation, rng: np.random.Generator) -> torch.Tensor:
    """Every clip with the next one, whatever share of them a training mixes."""
    no_targets = torch.zeros(len(images), 1)
    following = images.roll(-1, dims=0), no_targets
    if settings.mixing == "maximum":
        return louder(images, no_targets, following, torch.ones(len(images), dtype=torch.bool))[0]
    drawn = rng.beta(settings.mixup_alpha, settings.mixup_alpha, len(images))
    return mixup(images, no_targets, following, torch.from_numpy(np.maximum(drawn, 1 - drawn).astype(np.float32)))[0]


def _followed(images: torch.Tensor) -> torch.Tensor:
    """Every clip with the next one taking over in the middle."""
    no_targets = torch.zeros(len(images), 1)
    return follow(images, no_targets, (images.roll(-1, dims=0), no_targets), torch.full((len(images),), 0.5))[0]


def scalings_picture(clip: SampleClip, frontend: FrontendConfig) -> str:
    """One clip in decibels and with per-channel energy normalisation, on the same bands and frames."""
    scalings = [("decibels", replace(frontend, scaling="db")), ("PCEN", replace(frontend, scaling="pcen"))]
    pictures = [
        Picture(spectrogram(clip.waveform, config).astype(np.float32), f"{', '.join(clip.labels)} in {name}")
        for name, config in scalings
    ]
    return picture_rows([pictures], frontend, title="one clip in decibels beside PCEN", shared_colours=False)
