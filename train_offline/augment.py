"""Random crops, zoom and warp, and mixing: what makes a small data set larger."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from kernel_src.views import Window, cut, stretch

Spectrogram = npt.NDArray[np.float16]


def random_crops(
    spectrograms: Sequence[Spectrogram], crop_frames: int, silence: float, rng: np.random.Generator
) -> torch.Tensor:
    """One crop of each clip at a random place; a shorter clip is padded to a random side.

    Args:
        spectrograms: each [mels, frames] float16.
        crop_frames: frames of a crop.
        silence: the value of the padding.
        rng: where randomness comes from.

    Returns:
        [clips, 1, mels, crop_frames] float32.
    """
    parts = []
    for spectrogram in spectrograms:
        n_mels, n_frames = spectrogram.shape
        slack = n_frames - crop_frames
        start = int(rng.integers(min(0, slack), max(0, slack) + 1))
        parts.append(cut(spectrogram, Window(start, crop_frames, 0, n_mels), silence))
    return stretch(parts, parts[0].shape[0], crop_frames)


def zoom_and_warp(images: torch.Tensor, max_zoom: float, max_warp: float, generator: torch.Generator) -> torch.Tensor:
    """Enlarges each image by up to `max_zoom` and tilts it by up to `max_warp`.

    Args:
        images: [batch, 1, mels, frames] float32.
        max_zoom: the largest enlargement, 1 for none.
        max_warp: the largest perspective, as a share of the size; 0 for none.
        generator: where randomness comes from; on the CPU.

    Returns:
        The same shape, on the same device. What lies outside of an image is mirrored.
    """
    batch, _, n_mels, n_frames = images.shape
    draws = torch.rand(5, batch, generator=generator).to(images.device) * 2 - 1
    scale = 1 / (1 + (max_zoom - 1) * (draws[0] + 1) / 2)  # the share of the image that is seen
    # A homography in coordinates from -1 to 1: scaled, moved inside the image, tilted along both axes.
    homography = torch.zeros(batch, 3, 3, device=images.device)
    homography[:, 0, 0] = homography[:, 1, 1] = scale
    homography[:, 0, 2], homography[:, 1, 2] = draws[1] * (1 - scale), draws[2] * (1 - scale)
    homography[:, 2, 0], homography[:, 2, 1] = draws[3] * max_warp, draws[4] * max_warp
    homography[:, 2, 2] = 1
    across, down = torch.meshgrid(_centres(n_frames, images.device), _centres(n_mels, images.device), indexing="xy")
    points = torch.stack([across, down, torch.ones_like(across)], dim=-1).reshape(1, -1, 3)
    seen = points @ homography.transpose(1, 2)
    grid = (seen[..., :2] / seen[..., 2:]).reshape(batch, n_mels, n_frames, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _centres(count: int, device: torch.device) -> torch.Tensor:
    """[count] the pixels' centres in coordinates from -1 to 1."""
    return (torch.arange(count, device=device) + 0.5) * (2 / count) - 1


def mixup(
    images: torch.Tensor, targets: torch.Tensor, alpha: float, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mixes each clip with another one of the batch, images and targets alike.

    Args:
        images: [batch, 1, mels, frames].
        targets: [batch, labels] float32.
        alpha: weights are drawn from Beta(alpha, alpha); 0 changes nothing.
        rng: where randomness comes from.

    Source: Zhang et al. 2018, "mixup: beyond empirical risk minimization".
    """
    if alpha <= 0:
        return images, targets
    drawn = rng.beta(alpha, alpha, len(images)).astype(np.float32)
    weights = torch.from_numpy(np.maximum(drawn, 1 - drawn)).to(images.device)
    others = torch.from_numpy(rng.permutation(len(images))).to(images.device)
    by_image = weights[:, None, None, None]
    mixed = torch.lerp(images[others], images, by_image)
    return mixed, torch.lerp(targets[others], targets, weights[:, None])
