from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kernel_src.model import DenseBlock, SEDenseNet
from kernel_src.model_config import ModelConfig

SMALL = ModelConfig(n_labels=5, n_mels=16, crop_frames=32, width=4, depth=4)


def n_parameters(config: ModelConfig) -> int:
    return sum(parameter.numel() for parameter in SEDenseNet(config).parameters())


def test_the_full_size_is_the_silver_solutions() -> None:
    config = ModelConfig(n_labels=80)
    assert n_parameters(config) == 20_905_391
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        SEDenseNet(config).eval()(torch.empty(1, 1, 256, 256))
    assert counter.get_total_flops() / 2 == pytest.approx(1.148e9, rel=1e-3)  # two operations a multiply-add


def test_half_the_width_is_a_quarter_of_the_parameters() -> None:
    assert n_parameters(ModelConfig(n_labels=50, n_mels=128, width=8)) == 5_313_891


@pytest.mark.parametrize("n_mels", [16, 40, 128])
@pytest.mark.parametrize("n_frames", [32, 33, 100, 500])
def test_any_length_of_at_least_one_pooling_grid_will_do(n_mels: int, n_frames: int) -> None:
    config = replace(SMALL, n_mels=n_mels)
    assert config.grid_frames == 16
    logits = SEDenseNet(config).eval()(torch.randn(2, 1, n_mels, n_frames))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


def test_pooling_before_joining_is_pooling_after_joining() -> None:
    block = DenseBlock(channels=3, growth=4, squeeze=2, pool=(2, 2)).eval()
    x = torch.randn(2, 3, 8, 8)
    unpooled = DenseBlock(channels=3, growth=4, squeeze=2, pool=(1, 1)).eval()
    unpooled.load_state_dict(block.state_dict())
    torch.testing.assert_close(block(x), torch.max_pool2d(unpooled(x), 2))


def test_the_heads_are_averaged() -> None:
    model = SEDenseNet(SMALL).eval()
    x = torch.randn(3, 1, 16, 32)
    before = model(x)
    with torch.no_grad():
        model.heads[0].bias += 8  # one of eight heads
    torch.testing.assert_close(model(x), before + 1)


@pytest.mark.parametrize("change", [{"n_labels": 0}, {"depth": 0}, {"width": 1}])
def test_a_size_that_cannot_be_built_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(SMALL, **change)
