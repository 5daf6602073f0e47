"""The network: densely connected blocks with squeeze-excitation, after Cochlear.ai's DCASE 2018 winner."""

import torch
from torch import nn
from torch.nn import functional as F

from kernel_src.model_config import ModelConfig


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate that all channels' means decide (Hu et al. 2018)."""

    def __init__(self, channels: int, squeeze: int) -> None:
        super().__init__()
        hidden = max(1, channels // squeeze)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, channels, mels, frames] to the same."""
        return x * self.gates(x.mean(dim=(2, 3)))[:, :, None, None]

    def gates(self, means: torch.Tensor) -> torch.Tensor:
        """The means of all channels, [batch, channels], to what each is multiplied by, from 0 to 1."""
        return torch.sigmoid(self.excite(F.relu(self.squeeze(means))))


class DenseBlock(nn.Module):
    """BN-ReLU-1x1, BN-ReLU-3x3, squeeze-excitation, joined with the block's input, then max-pooled.

    Max-pooling works channel by channel, so the parts are pooled before they are joined: the same result from a
    quarter of the copying.
    """

    def __init__(self, channels: int, growth: int, squeeze: int, pool: tuple[int, int]) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, growth, 3, padding=1, bias=False)
        self.gate = SqueezeExcitation(growth, squeeze)
        self.pool = pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, channels, mels, frames] to [batch, channels + growth, mels // pool[0], frames // pool[1]]."""
        new = self.conv1(F.relu(self.norm1(x)))
        new = self.gate(self.conv2(F.relu(self.norm2(new))))
        return torch.cat([F.max_pool2d(x, self.pool), F.max_pool2d(new, self.pool)], dim=1)


class SEDenseNet(nn.Module):
    """Normalised spectrograms to logits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Conv2d(1, config.width - 1, 3, padding=1, bias=False)
        blocks, channels = [], config.width
        for index in range(config.depth):
            growth = min(channels, 32 * config.width)
            pool = (2 if index < config.mel_poolings else 1, 2 if index < config.frame_poolings else 1)
            blocks.append(DenseBlock(channels, growth, config.squeeze, pool))
            channels += growth
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.BatchNorm2d(channels)
        self.heads = nn.ModuleList(nn.Linear(channels, config.n_labels) for _ in range(config.n_heads))
        for module in self.modules():
            # Weights that are about to be loaded need no values, and torch loads its compiler to give them some.
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, 1, mels, frames] float32 with frames >= config.grid_frames to logits, [batch, labels] float32."""
        x = torch.cat([x, self.stem(x)], dim=1)
        for block in self.blocks:
            x = block(x)
        features = F.relu(self.norm(x)).mean(dim=(2, 3))
        dropped = (F.dropout(features, self.config.dropout, self.training) for _ in self.heads)
        logits = [head(part) for head, part in zip(self.heads, dropped, strict=True)]
        return torch.stack(logits).mean(dim=0).float()
