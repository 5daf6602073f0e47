"""The network's blocks in C++ say what the plain network says."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_src.backend_names import WINOGRAD
from kernel_src.backends import build
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig
from kernel_src.winograd import WinogradNetwork, tile_of
from network_samples import assert_threads_share, trained_like

pytestmark = pytest.mark.usefixtures("a_compiler")

SMALL = ModelConfig(n_labels=5, n_mels=32, crop_frames=32, width=16, depth=5)


def assert_same(model: SEDenseNet, images: torch.Tensor, lanes: int | None = None) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(WinogradNetwork(model, lanes=lanes)(images), model(images), atol=2e-5, rtol=2e-5)


@settings(max_examples=40)
@given(
    lanes=st.sampled_from([8, 16]),
    config=st.builds(
        ModelConfig,
        n_labels=st.just(3),
        n_mels=st.integers(1, 40),
        crop_frames=st.just(8),
        width=st.sampled_from([8, 16, 24, 48]),
        depth=st.integers(1, 3),
    ),
    more_frames=st.integers(0, 30),
    batch=st.integers(1, 5),
)
def test_any_size_will_do(lanes: int, config: ModelConfig, more_frames: int, batch: int) -> None:
    images = torch.randn(batch, 1, config.n_mels, config.crop_frames + more_frames)
    assert_same(trained_like(config), images, lanes)


@pytest.mark.parametrize("pool", [(2, 2), (2, 1), (1, 2), (1, 1)])
@pytest.mark.parametrize("frames", [32, 37])
def test_blocks_are_pooled_as_they_are_told_to(pool: tuple[int, int], frames: int) -> None:
    model = trained_like(SMALL)
    for block in model.blocks:
        block.pool = pool
    assert_same(model, torch.randn(2, 1, 32, frames))


@pytest.mark.parametrize(("image", "side"), [((256, 256), 4), ((8, 9), 4), ((4, 4), 2), ((2, 40), 2), ((2, 2), 1)])
def test_only_images_of_so_few_pixels_that_it_costs_nothing_are_left_in_one_piece(
    image: tuple[int, int], side: int
) -> None:
    assert tile_of(*image) == side


def test_a_network_made_for_images_of_few_pixels_takes_longer_ones_too() -> None:
    assert_same(trained_like(SMALL), torch.randn(3, 1, SMALL.n_mels, 100))


def test_rows_longer_than_what_is_multiplied_at_a_time_will_do() -> None:
    model = trained_like(ModelConfig(n_labels=5, n_mels=16, crop_frames=32, width=16, depth=2))
    assert_same(model, torch.randn(2, 1, 16, 601))


def test_a_channel_with_a_scale_of_zero_is_a_constant() -> None:
    model = trained_like(SMALL)
    with torch.no_grad():
        model.blocks[1].norm1.weight[:3] = 0
        model.blocks[1].norm1.bias[:3] = torch.tensor([-1.0, 0.0, 1.0])
    assert_same(model, torch.randn(2, 1, 32, 32))


def test_blocks_that_it_is_not_made_for_are_left_to_torch() -> None:
    assert_same(trained_like(SMALL, lowest_scale=-1.5), torch.randn(2, 1, 32, 32))
    odd = ModelConfig(n_labels=5, n_mels=16, crop_frames=32, width=7, depth=4)
    assert_same(trained_like(odd), torch.randn(2, 1, 16, 32))


def test_an_image_that_is_no_number_spoils_its_own_answer_only() -> None:
    images = torch.randn(4, 1, 32, 32)
    images[1, 0, 3, 3] = torch.nan
    with torch.inference_mode():
        logits = WinogradNetwork(trained_like(SMALL))(images)
    assert logits.isnan().any(dim=1).tolist() == [False, True, False, False]


def test_the_model_is_left_as_it_is() -> None:
    model = trained_like(SMALL)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        WinogradNetwork(model)(torch.randn(2, 1, 32, 32))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_threads_share_one_copy() -> None:
    assert_threads_share(WinogradNetwork(trained_like(SMALL)), 32, 32)


def test_there_is_none_for_a_gpu() -> None:
    with pytest.raises(RuntimeError, match="made for processors"):
        build(WINOGRAD, trained_like(SMALL), torch.device("cuda"))
