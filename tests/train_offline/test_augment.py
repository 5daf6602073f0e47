import numpy as np
import pytest
import torch

from kernel_src.frontend import FrontendConfig, Scaling, spectrogram
from train_offline.augment import amplify, follow, louder, mask, mixup, zoom_and_warp


@pytest.mark.parametrize("gain_db", [-10.0, 0.0, 10.0])
@pytest.mark.parametrize(
    ("scaling", "power", "tolerance"), [("db", 2.0, 0.1), ("db", 1.0, 0.1), ("pcen", 2.0, 3e-3), ("pcen", 1.0, 3e-3)]
)
def test_an_amplified_spectrogram_is_that_of_an_amplified_recording(
    scaling: Scaling, power: float, tolerance: float, gain_db: float
) -> None:
    frontend = FrontendConfig(
        n_mels=32, n_fft=1024, hop_samples=512, power=power, scaling=scaling, pcen_start="first_frame"
    )
    sound = 0.05 * np.random.default_rng(0).standard_normal(44_100)
    sound[10_000:30_000] = 0  # so that some frames are silent, and some bands nearly
    as_it_is, louder_or_softer = (
        torch.from_numpy(spectrogram((factor * sound).astype(np.float32), frontend)).float()[None, None]
        for factor in (1.0, 10 ** (gain_db / 20))
    )
    amplified = amplify(as_it_is, torch.tensor([gain_db]), frontend)
    torch.testing.assert_close(amplified, louder_or_softer, rtol=0, atol=tolerance)


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
    weights = torch.linspace(0.5, 1, 8)
    mixed, targets = mixup(images, torch.eye(8), (images.roll(1, dims=0), torch.eye(8).roll(1, dims=0)), weights)
    torch.testing.assert_close(mixed[:, 0, :, 0], targets)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(8))
    torch.testing.assert_close(targets.diagonal(), weights)


def test_of_two_clips_at_once_the_louder_is_heard_and_both_are_labelled() -> None:
    images = torch.randn(4, 1, 3, 5)
    partner = images.roll(-1, dims=0), torch.eye(4).roll(-1, dims=0)
    both, targets = louder(images, torch.eye(4), partner, torch.tensor([True, False, True, True]))
    torch.testing.assert_close(both[0], torch.maximum(images[0], images[1]))
    torch.testing.assert_close(both[1], images[1])
    assert targets.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]]


def test_a_clip_that_another_follows_keeps_its_beginning_and_both_are_labelled() -> None:
    images = torch.randn(3, 1, 4, 10)
    lengths = torch.tensor([0.3, 1.0, 0.7])
    followed, targets = follow(images, torch.eye(3), (images[[1, 2, 0]], torch.eye(3)[[1, 2, 0]]), lengths)
    torch.testing.assert_close(followed[0], torch.cat([images[0, ..., :3], images[1, ..., 3:]], dim=-1))
    torch.testing.assert_close(followed[1], images[1])
    torch.testing.assert_close(followed[2], torch.cat([images[2, ..., :7], images[0, ..., 7:]], dim=-1))
    assert targets.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_masks_blank_whole_bands_and_stretches_no_larger_than_they_may_be() -> None:
    images = torch.ones(100, 1, 20, 40)
    blank = mask(images, 2, 0.2, torch.Generator().manual_seed(0))[:, 0] == 0
    bands, stretches = blank.all(dim=2), blank.all(dim=1)
    assert (blank == (bands[:, :, None] | stretches[:, None, :])).all()
    assert 0 < bands.sum(dim=1).max() <= 2 * 0.2 * 20
    assert 0 < stretches.sum(dim=1).max() <= 2 * 0.2 * 40
    assert bands.any(dim=0).all()
    assert stretches.any(dim=0).all()
    assert (images == 1).all()
