from dataclasses import replace

import numpy as np
import pytest
import torch

from kernel_src.frontend import FrontendConfig
from kernel_src.views import MIDDLE_ZOOM, ZOOM
from train_offline.batches import Batches, Normalisation, Source
from train_offline.recipes import BEST, RECIPES, SILVER, Augmentation, Recipe
from train_offline.spectrogram_table import SpectrogramTable

FRONTEND = FrontendConfig()
PLAIN = Augmentation(max_zoom=1.0, max_warp=0.0, mixed_share=0.0)


def source(n_clips: int, value: float, weight: float = 1.0) -> Source:
    """Clips whose spectrograms and targets tell which source they are from."""
    spectrograms = [np.full((4, 3 + clip), value, np.float16) for clip in range(n_clips)]
    names = [f"{value:g}-{clip}" for clip in range(n_clips)]
    targets = np.tile(np.float32([value, 1 - value]), (n_clips, 1))
    return Source(names, SpectrogramTable.of(spectrograms), targets, weight)


def batches(
    sources: list[Source],
    augmentation: Augmentation = PLAIN,
    seed: int = 0,
    padding: float | None = None,
    frontend: FrontendConfig = FRONTEND,
) -> Batches:
    return Batches(
        sources,
        augmentation,
        frontend=frontend,
        crop_frames=8,
        padding=padding,
        normalisation=Normalisation(0.0, 1.0),
        batch_clips=4,
        seed=seed,
        device=torch.device("cpu"),
    )


def test_every_clip_of_all_sources_has_its_turn_in_an_epoch_with_its_own_image_target_and_weight() -> None:
    drawn = batches([source(5, 1.0), source(3, 0.25, weight=0.5)])
    assert drawn.steps_per_epoch == 2
    for epoch in range(2):
        seen = [drawn.batch(2 * epoch + step) for step in range(2)]
        names = [name for batch in seen for name in batch.fnames]
        assert sorted(names) == sorted([*(f"1-{clip}" for clip in range(5)), *(f"0.25-{clip}" for clip in range(3))])
        for batch in seen:
            values = torch.tensor([float(name.partition("-")[0]) for name in batch.fnames])
            torch.testing.assert_close(batch.images[:, 0, 0, 0], values)
            torch.testing.assert_close(batch.targets[:, 0], values)
            torch.testing.assert_close(batch.weights, torch.where(values == 1, 1.0, 0.5))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_the_kernel_enlarges_its_windows_as_training_enlarges_crops(recipe: Recipe) -> None:
    assert recipe.augmentation.max_zoom == ZOOM
    assert (1 + recipe.augmentation.max_zoom) / 2 == pytest.approx(MIDDLE_ZOOM)


@pytest.mark.parametrize("augmentation", [SILVER.augmentation, BEST.augmentation], ids=["silver", "best"])
def test_a_batch_depends_on_seed_and_step_alone(augmentation: Augmentation) -> None:
    first, second = (batches([source(9, 0.5)], augmentation) for _ in range(2))
    for step in (5, 0, 3):
        torch.testing.assert_close(first.batch(step).images, second.batch(step).images, rtol=0, atol=0)
    other = batches([source(9, 0.5)], augmentation, seed=1)
    assert first.batch(5).fnames != other.batch(5).fnames or not torch.equal(
        first.batch(5).images, other.batch(5).images
    )


def test_clips_in_decibels_get_a_gain_each_and_no_more_than_was_asked_for() -> None:
    drawn = batches([source(40, -30.0)], replace(PLAIN, max_gain_db=10.0), frontend=FrontendConfig(scaling="db"))
    images = torch.cat([drawn.batch(step).images for step in range(20)])
    gains_db = images[:, 0, 0, 0] + 30
    torch.testing.assert_close(images, (gains_db - 30)[:, None, None, None].expand_as(images))
    assert gains_db.abs().max() <= 10
    assert gains_db.min() < -8
    assert gains_db.max() > 8


def test_clips_in_pcen_get_a_gain_only_if_it_begins_with_the_first_frame() -> None:
    louder = replace(PLAIN, max_gain_db=10.0)
    drawn = batches([source(8, 0.5)], louder, frontend=FrontendConfig(pcen_start="first_frame"))
    images = drawn.batch(0).images
    assert len(images.unique()) == len(images)
    assert images.min() < 0.5 < images.max()
    drawn = batches([source(8, 0.5)], louder)
    assert (drawn.batch(0).images == 0.5).all()


def test_only_the_share_of_clips_that_was_asked_for_is_mixed() -> None:
    half = replace(PLAIN, mixing="maximum", mixed_share=0.5)
    drawn = batches([source(40, 1.0), source(40, 0.0)], half)
    mixed = torch.cat([drawn.batch(step).targets.sum(dim=1) > 1 for step in range(20)])
    # Half of the clips are mixed, half of their partners are from the other source.
    assert 0.1 < mixed.float().mean() < 0.4


def test_partners_from_all_clips_come_in_an_order_of_their_own_each_once_an_epoch() -> None:
    followed = replace(PLAIN, following_share=1.0, partners="all")
    clips = [source(1, number / 128) for number in range(12)]
    drawn = batches(clips, followed)
    pairs = []
    for step in range(drawn.steps_per_epoch):
        batch = drawn.batch(step)
        own = [float(name.partition("-")[0]) for name in batch.fnames]
        partners = batch.images[:, 0, 0, -1].tolist()  # the end of a crop is the clip that follows
        assert not set(partners) <= set(own)
        pairs += zip(own, partners, strict=True)
    expected = [number / 128 for number in range(12)]
    assert sorted(own for own, _ in pairs) == sorted(partner for _, partner in pairs) == expected


def test_clips_are_followed_or_mixed_but_not_both() -> None:
    each = replace(PLAIN, mixed_share=0.5, following_share=0.3)
    drawn = batches([source(40, 1.0), source(40, 0.0)], each)
    images, targets = (
        torch.cat([getattr(drawn.batch(step), name) for step in range(20)]) for name in ("images", "targets")
    )
    changes = (images[:, 0, 0, 1:] != images[:, 0, 0, :-1]).sum(dim=1)  # another sound takes over, within the crop
    assert 0.05 < (changes == 1).float().mean() < 0.3  # half of those that follow are alike
    assert changes.max() == 1
    assert (targets[changes == 1] == 1).all()
    torch.testing.assert_close(targets[changes == 0][:, 0], images[changes == 0, 0, 0, 0])
