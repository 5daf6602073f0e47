import numpy as np
import pytest
import torch

from train_offline.augment import mixup, random_crops, zoom_and_warp


def ramp(n_frames: int) -> np.ndarray:
    """A spectrogram whose values tell their frame, from 1 on."""
    return np.tile(np.arange(1, n_frames + 1, dtype=np.float16), (4, 1))


def test_crops_of_a_long_clip_lie_inside_it_and_reach_both_ends() -> None:
    rng = np.random.default_rng(0)
    crops = random_crops([ramp(12)] * 200, 8, silence=0.0, rng=rng)[:, 0, 0]
    assert set(crops[:, 0].tolist()) == {1, 2, 3, 4, 5}
    torch.testing.assert_close(crops[:, -1], crops[:, 0] + 7)


def test_a_short_clip_is_whole_and_padded_at_random_places() -> None:
    rng = np.random.default_rng(0)
    crops = random_crops([ramp(5)] * 200, 8, silence=-1.0, rng=rng)[:, 0, 0]
    starts = set()
    for crop in crops:
        assert crop[crop > 0].tolist() == [1, 2, 3, 4, 5]
        assert (crop[crop <= 0] == -1).all()
        starts.add(crop.tolist().index(1))
    assert starts == {0, 1, 2, 3}


def test_without_zoom_and_warp_images_stay_as_they_are() -> None:
    images = torch.randn(3, 1, 16, 32)
    torch.testing.assert_close(zoom_and_warp(images, 1.0, 0.0, torch.Generator()), images, atol=1e-5, rtol=0)


def test_zoom_enlarges_by_no_more_than_it_may() -> None:
    across = torch.linspace(-1, 1, 64).expand(200, 1, 16, 64)
    seen = zoom_and_warp(across, 1.1, 0.0, torch.Generator().manual_seed(0))
    widths = (seen[:, 0, 8, -1] - seen[:, 0, 8, 0]) / 2
    assert widths.min() == pytest.approx(1 / 1.1, abs=0.02)
    assert widths.max() == pytest.approx(1, abs=0.02)


def test_warp_tilts_by_no_more_than_it_may() -> None:
    across = torch.linspace(-1, 1, 64).expand(200, 1, 16, 64)
    seen = zoom_and_warp(across, 1.0, 0.05, torch.Generator().manual_seed(0))
    moved = (seen - across).abs().amax(dim=(1, 2, 3))
    assert 0.02 < moved.max() < 0.2
    assert moved.min() < 0.02


def test_mixup_mixes_images_and_targets_by_the_same_weight() -> None:
    images = torch.eye(8)[:, None, :, None] * torch.ones(8, 1, 8, 2)
    targets = torch.eye(8)
    mixed, mixed_targets = mixup(images, targets, alpha=0.4, rng=np.random.default_rng(0))
    torch.testing.assert_close(mixed[:, 0, :, 0], mixed_targets)
    torch.testing.assert_close(mixed_targets.sum(dim=1), torch.ones(8))
    assert (mixed_targets.diagonal() >= 0.5).all()  # a clip stays the greater part of its own mixture
    assert (mixed_targets.diagonal() < 1).any()


def test_an_alpha_of_zero_mixes_nothing() -> None:
    images, targets = torch.randn(4, 1, 2, 2), torch.eye(4)
    assert mixup(images, targets, 0.0, np.random.default_rng(0)) == (images, targets)
