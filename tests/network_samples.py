"""Networks for tests, and what is asked of more than one kind of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig


def trained_like(config: ModelConfig, *, lowest_scale: float = 0.5) -> SEDenseNet:
    """A network whose batch norms have seen something, unlike those of a new one."""
    torch.manual_seed(0)
    model = SEDenseNet(config).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, lowest_scale, 1.5)
            nn.init.normal_(module.bias, 0, 0.5)
    return model


def assert_threads_share(network: Callable[[torch.Tensor], torch.Tensor], *size: int) -> None:
    """Calls from several threads give what each gives alone, for images of some mels and frames."""
    batches = [torch.randn(4, 1, *size) for _ in range(32)]

    def run(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return network(images)

    alone = [run(images) for images in batches]
    with ThreadPoolExecutor(4) as pool:
        for mine, theirs in zip(alone, pool.map(run, batches), strict=True):
            assert torch.equal(mine, theirs)
