"""Networks for tests."""

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
