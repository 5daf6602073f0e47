"""Gain, zoom and warp, mixing, and masks: what makes a small data set larger, in batches on the device."""

import torch
from torch.nn import functional as F

from kernel_src.frontend import FrontendConfig


def tells_of_level(frontend: FrontendConfig) -> bool:
    """Whether a spectrogram tells what it would be of a louder recording: not where PCEN begins at an energy of 1."""
    return frontend.scaling == "db" or frontend.pcen_start == "first_frame"


def amplify(images: torch.Tensor, gains_db: torch.Tensor, frontend: FrontendConfig) -> torch.Tensor:
    """Spectrograms as if their recordings were louder, or softer where the gain is negative; silence stays silence.

    Args:
        images: [batch, 1, mels, frames], not normalised.
        gains_db: [batch].
        frontend: what they were made with; it has to tell of the level.
    """
    energies_db = (gains_db * frontend.power / 2)[:, None, None, None]
    if frontend.scaling == "pcen":
        return _amplify_pcen(images, energies_db, frontend)
    amplified = (images + energies_db).clamp(min=frontend.silence)
    return torch.where(images > frontend.silence, amplified, images)


def _amplify_pcen(images: torch.Tensor, energies_db: torch.Tensor, frontend: FrontendConfig) -> torch.Tensor:
    """By way of E / (eps + M)^gain, before bias and root: of f times the energies it is f^(1 - gain) times as large.

    Without `eps`, which only matters where E is so small that the bias hides it.
    """
    factors = torch.pow(10.0, energies_db * ((1 - frontend.pcen_gain) / 10))
    silence: float = frontend.pcen_bias**frontend.pcen_power
    balanced = (images + silence).pow_(1 / frontend.pcen_power).sub_(frontend.pcen_bias).clamp_(min=0)
    return balanced.mul_(factors).add_(frontend.pcen_bias).pow_(frontend.pcen_power).sub_(silence)


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
    images: torch.Tensor, targets: torch.Tensor, partner: tuple[torch.Tensor, torch.Tensor], weights: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Averages each clip with another one, images and targets alike.

    Args:
        images: [batch, 1, mels, frames].
        targets: [batch, labels] float32.
        partner: images and targets of the clips that each is mixed with, of the same shapes.
        weights: [batch] float32, what a clip counts in its own mixture; 1 leaves it as it is.

    Source: Zhang et al. 2018, "mixup: beyond empirical risk minimization".
    """
    mixed = torch.lerp(partner[0], images, weights[:, None, None, None])
    return mixed, torch.lerp(partner[1], targets, weights[:, None])


def louder(
    images: torch.Tensor, targets: torch.Tensor, partner: tuple[torch.Tensor, torch.Tensor], mixed: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lets two clips sound at once: the louder one wins at each point, and the labels of both apply.

    Args:
        images: [batch, 1, mels, frames].
        targets: [batch, labels] float32.
        partner: images and targets of the clips that each is mixed with, of the same shapes.
        mixed: [batch] bool, which clips are mixed at all.
    """
    both = torch.where(mixed[:, None, None, None], torch.maximum(images, partner[0]), images)
    return both, torch.where(mixed[:, None], torch.maximum(targets, partner[1]), targets)


def follow(
    images: torch.Tensor, targets: torch.Tensor, later: tuple[torch.Tensor, torch.Tensor], lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lets one clip follow another: of each the first part is kept, then comes the other, and the labels of both apply.

    Args:
        images: [batch, 1, mels, frames].
        targets: [batch, labels] float32.
        later: images and targets of the clips that follow, of the same shapes.
        lengths: [batch] how much is kept, as a share of the frames; 1 leaves a clip and its labels as they are.

    Source: CutMix (Yun et al. 2019) along time alone; but with all labels in full, as such a recording would have.
    """
    n_frames = images.shape[3]
    kept = torch.arange(n_frames, device=images.device) < lengths[:, None] * n_frames
    both = torch.where((lengths < 1)[:, None], torch.maximum(targets, later[1]), targets)
    return torch.where(kept[:, None, None, :], images, later[0]), both


def mask(images: torch.Tensor, count: int, largest_share: float, generator: torch.Generator) -> torch.Tensor:
    """Blanks `count` bands of mels and `count` stretches of frames of each image, at random (SpecAugment).

    Args:
        images: [batch, 1, mels, frames] normalised, so that 0 is the mean.
        count: how many, each way.
        largest_share: of the mels or frames, that one of them takes at most.
        generator: where randomness comes from; on the CPU.

    Source: Park et al. 2019, "SpecAugment".
    """
    batch, _, n_mels, n_frames = images.shape
    for axis, size in ((2, n_mels), (3, n_frames)):
        draws = torch.rand(2, batch, count, 1, generator=generator)
        widths = draws[0] * largest_share * size
        firsts = draws[1] * (size - widths)
        places = torch.arange(size) + 0.5
        blank = ((places >= firsts) & (places < firsts + widths)).any(dim=1).to(images.device)
        images = images.masked_fill(blank[:, None, :, None] if axis == 2 else blank[:, None, None, :], 0.0)
    return images
