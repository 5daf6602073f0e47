"""The network rearranged for inference says what the plain one says."""

import pytest
import torch

from kernel_src import convolution, folded
from kernel_src.folded import FoldedNetwork
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig
from network_samples import assert_threads_share, trained_like

CPU = torch.device("cpu")
SMALL = ModelConfig(n_labels=5, n_mels=16, crop_frames=32, width=4, depth=4)


def assert_same(model: SEDenseNet, network: FoldedNetwork, images: torch.Tensor, tolerance: float = 1e-5) -> None:
    with torch.inference_mode():
        torch.testing.assert_close(network(images), model(images), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("fusable", [False, True])
@pytest.mark.parametrize("lowest_scale", [0.5, -1.5])
@pytest.mark.parametrize("batch", [1, 3, 16])
def test_folding_changes_nothing_whatever_the_signs_of_the_scales(
    lowest_scale: float, batch: int, *, fusable: bool
) -> None:
    model = trained_like(SMALL, lowest_scale=lowest_scale)
    assert_same(model, FoldedNetwork(model, torch.float32, CPU, fusable=fusable), torch.randn(batch, 1, 16, 32))


def test_a_channel_with_a_scale_of_zero_is_a_constant() -> None:
    model = trained_like(SMALL)
    with torch.no_grad():
        model.blocks[1].norm1.weight[:3] = 0
        model.blocks[1].norm1.bias[:3] = torch.tensor([-1.0, 0.0, 1.0])
    assert_same(model, FoldedNetwork(model, torch.float32, CPU), torch.randn(2, 1, 16, 32))


@pytest.mark.parametrize("fusable", [False, True])
@pytest.mark.parametrize(("n_mels", "frames"), [(16, 32), (16, 33), (16, 100), (5, 32), (1, 47)])
def test_any_length_and_number_of_bands_will_do(n_mels: int, frames: int, *, fusable: bool) -> None:
    model = trained_like(ModelConfig(n_labels=5, n_mels=n_mels, crop_frames=32, width=4, depth=6))
    assert_same(model, FoldedNetwork(model, torch.float32, CPU, fusable=fusable), torch.randn(2, 1, n_mels, frames))


def test_a_batch_in_parts_says_what_the_whole_batch_says(monkeypatch: pytest.MonkeyPatch) -> None:
    model = trained_like(SMALL)
    monkeypatch.setattr(folded, "CACHED_ELEMENTS", 2 * 4 * 16 * 32)  # two images at a time, for the first two blocks
    assert_same(model, FoldedNetwork(model, torch.float32, CPU), torch.randn(9, 1, 16, 32))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05), (torch.float16, 0.01)])
def test_it_does_without_onednns_private_operations(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, tolerance: float
) -> None:
    model = trained_like(SMALL)
    monkeypatch.setattr(convolution, "packing_works", lambda _: False)
    assert_same(model, FoldedNetwork(model, dtype, CPU), torch.randn(2, 1, 16, 32), tolerance)


def test_operations_that_are_gone_or_wrong_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert convolution.packing_works(torch.float32)  # in every torch that this was tested with
    wrong = lambda *_: lambda x: x  # noqa: E731
    for instead in (None, wrong):
        monkeypatch.setattr(convolution, "_PackedConvolution", instead)
        assert not convolution.packing_works(torch.float32)


def test_half_precision_stays_near() -> None:
    model = trained_like(SMALL)
    assert_same(model, FoldedNetwork(model, torch.bfloat16, CPU), torch.randn(4, 1, 16, 32), tolerance=0.05)


def test_half_precision_is_nearer_to_float32_than_autocast_is() -> None:
    model = trained_like(ModelConfig(n_labels=20, n_mels=64, crop_frames=64, width=8))
    images = torch.randn(16, 1, 64, 64)
    with torch.inference_mode():
        expected = model(images)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cast = model(images)
        ours = FoldedNetwork(model, torch.bfloat16, CPU)(images)
    assert (ours - expected).square().mean() < 0.8 * (cast - expected).square().mean()


def test_threads_share_one_copy() -> None:
    assert_threads_share(FoldedNetwork(trained_like(SMALL), torch.float32, CPU), 16, 32)
