"""The network rearranged for inference: the same function in fewer and smaller trips through memory.

On a CPU the network waits for memory more than it computes. So here
- the second batch norm of a block is folded into the convolution before it, whose ReLU is applied on the fly;
- the first one, and its ReLU, become one maximum with a threshold for each channel: relu(scale * x + shift) is
  scale * max(x, -shift / scale) + shift for a positive scale, and both of these fold into the convolution after it;
- the gate is applied after pooling, to a quarter of the values: it is positive, so it commutes with the maximum;
- pooling is a maximum of rows and then of columns, and writes straight into its part of the block's output;
- the first blocks, whose tensors are large, work on a few images at a time that stay in the processor's cache, and the
  last blocks, whose weights are large, on the whole batch;
- the heads, which are averaged, are one.

On a GPU pooling and joining are torch's own operations, which its compiler can make one of.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from kernel_src.convolution import Convolution, convolution
from kernel_src.model import DenseBlock, SEDenseNet, SqueezeExcitation

CACHED_ELEMENTS = 2**20
"""The first blocks on a CPU work on as many images at a time as have about this many values in a tensor."""

USUAL_BATCH = 16

Step = Callable[[torch.Tensor], torch.Tensor]
"""A dense block: [batch, channels, mels, frames] channels-last to [batch, channels + growth, mels // pool[0],
frames // pool[1]]."""


@dataclass(frozen=True)
class FoldedBlock:
    """A dense block's weights, folded, on the device of the block."""

    lower: torch.Tensor
    """[channels] thresholds, in the data type."""
    upper: torch.Tensor | None
    """The same for channels with a negative scale; None where there are none, as is usual."""
    weight1: torch.Tensor
    """[channels, channels] of the first convolution, in the data type."""
    bias1: torch.Tensor
    """[channels] float32; a ReLU follows."""

    @classmethod
    def of(cls, block: DenseBlock, dtype: torch.dtype) -> "FoldedBlock":
        """Folds a block's batch norms into its first convolution and thresholds before it."""
        scale1, shift1 = _affine(block.norm1)
        scale2, shift2 = _affine(block.norm2)
        # A scale of zero leaves relu(shift), whatever the input.
        dead = scale1 == 0
        constant = torch.where(dead, shift1.relu(), 0.0)
        threshold = torch.where(dead, 0.0, -shift1 / torch.where(dead, 1.0, scale1))
        weight1 = scale2[:, None] * block.conv1.weight[:, :, 0, 0]
        rounded = (weight1 * scale1).to(dtype)
        # With thresholds and weights as they are rounded, what lies below a threshold still adds nothing.
        below = rounded.float() @ threshold.to(dtype).float()
        falling = scale1 < 0
        infinite = torch.full_like(threshold, torch.inf)
        return cls(
            lower=torch.where(falling, -infinite, threshold).to(dtype),
            upper=torch.where(falling, threshold, infinite).to(dtype) if falling.any() else None,
            weight1=rounded,
            bias1=weight1 @ constant + shift2 - below,
        )


@dataclass(frozen=True)
class _Block:
    """A dense block in torch's operations."""

    lower: torch.Tensor
    """[1, channels, 1, frames] thresholds; as wide as the usual input, for a maximum with them is quick only then."""
    upper: torch.Tensor | None
    """The same for channels with a negative scale; None where there are none, as is usual."""
    conv1: Convolution
    conv2: Convolution
    gate: SqueezeExcitation
    pool: tuple[int, int]
    growth: int

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[batch, channels, mels, frames] to [batch, channels + growth, mels // pool[0], frames // pool[1]]."""
        new = self.conv2(self.conv1(self._activated(x)))
        batch, channels, mels, frames = x.shape
        joined = torch.empty(
            (batch, channels + self.growth, mels // self.pool[0], frames // self.pool[1]),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        _pool(x, self.pool, joined[:, :channels])
        pooled = joined[:, channels:]
        _pool(new, self.pool, pooled)
        pooled.copy_(pooled.float() * self._gates(new.mean(dim=(2, 3)).float()))  # with gates that are not rounded
        return joined

    def _gates(self, means: torch.Tensor) -> torch.Tensor:
        """[batch, growth, 1, 1] float32, from [batch, growth]."""
        return self.gate.gates(means)[:, :, None, None]

    def _activated(self, x: torch.Tensor) -> torch.Tensor:
        """The first batch norm and its ReLU, but for the scale and the shift that `conv1` has taken over."""
        as_wide = slice(None) if x.shape[3] == self.lower.shape[3] else slice(1)
        if self.upper is None:
            return torch.maximum(x, self.lower[..., as_wide])
        return torch.clamp(x, self.lower[..., as_wide], self.upper[..., as_wide])


@dataclass(frozen=True)
class _FusableBlock(_Block):
    """The same in operations that no memory is given to, for a compiler to arrange."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """As the base class."""
        new = self.conv2(self.conv1(self._activated(x)))
        pooled = F.max_pool2d(new, self.pool).float() * self._gates(new.mean(dim=(2, 3), dtype=torch.float32))
        return torch.cat([F.max_pool2d(x, self.pool), pooled.to(x.dtype)], dim=1)


class FoldedNetwork:
    """An inference copy of a network; calls from several threads do not disturb one another.

    Args:
        model: in evaluation mode; it is left as it is.
        dtype: of weights and activations.
        device: where to compute.
        after_block: is called when a block's weights have been copied: those of the model may be let go of, and read
            again for the next block.
        fusable: whether a compiler is to find operations that it can fuse; by default on all devices but the CPU.
    """

    def __init__(
        self,
        model: SEDenseNet,
        dtype: torch.dtype,
        device: torch.device,
        after_block: Callable[[], object] = lambda: None,
        *,
        fusable: bool | None = None,
    ) -> None:
        config = model.config
        self._block_type = _FusableBlock if (device.type != "cpu" if fusable is None else fusable) else _Block
        self._dtype = dtype
        self._device = device
        self._elements = config.width * config.n_mels * config.crop_frames
        self._in_parts = device.type == "cpu"
        self._part_images = max(1, CACHED_ELEMENTS // self._elements)
        with torch.no_grad():
            mels, frames = config.n_mels, config.crop_frames
            self._stem = self._fold_stem(model.stem, self._part_images, mels, frames)
            self._blocks: list[Step] = []
            for index, block in enumerate(model.blocks):
                assert isinstance(block, DenseBlock)
                images = self._part_images if index < self._n_early(USUAL_BATCH) else USUAL_BATCH
                self._blocks.append(self._step(block, images, mels, frames))
                after_block()
                mels, frames = mels // block.pool[0], frames // block.pool[1]
            self._scale, self._shift = (part[:, None, None].to(device) for part in _affine(model.norm))
            heads = [head for head in model.heads if isinstance(head, nn.Linear)]
            self._head_weight = torch.stack([head.weight for head in heads]).mean(dim=0).to(device)
            self._head_bias = torch.stack([head.bias for head in heads]).mean(dim=0).to(device)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """[batch, 1, mels, frames] normalised, on the device, to logits, [batch, labels] float32 on the device."""
        n_early = self._n_early(len(images)) if self._in_parts else 0
        size = self._part_images if n_early else len(images)
        parts = [images[first : first + size] for first in range(0, len(images), size)]
        done = [self._run(self._as_input(part), self._blocks[:n_early]) for part in parts]
        x = self._run(done[0] if len(done) == 1 else torch.cat(done), self._blocks[n_early:])
        features = F.relu(x.float() * self._scale + self._shift).mean(dim=(2, 3))
        return F.linear(features, self._head_weight, self._head_bias)

    def _n_early(self, batch: int) -> int:
        """How many blocks have tensors that are too large for a whole batch to stay in the cache.

        A block halves them: a quarter of the pixels with twice the channels.
        """
        return max(0, (batch * self._elements // CACHED_ELEMENTS).bit_length() - 1)

    def _run(self, x: torch.Tensor, blocks: Sequence[Step]) -> torch.Tensor:
        for block in blocks:
            x = block(x)
        return x

    def _to(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.to(self._device, self._dtype)

    def _as_input(self, images: torch.Tensor) -> torch.Tensor:
        """What the first block gets of some images."""
        return self._stem(images).to(self._dtype, memory_format=torch.channels_last)

    def _fold_stem(self, stem: nn.Conv2d, images: int, mels: int, frames: int) -> Convolution:
        """The first convolution with one more output: the input itself, which is joined with it.

        It stays in float32, for its rounding errors would be those of all that follows.
        """
        middle = F.pad(torch.ones(1, 1, 1, 1, device=stem.weight.device), (1, 1, 1, 1))
        weight = torch.cat([middle, stem.weight]).to(self._device)
        return convolution(weight, None, relu=False, input_shape=(images, 1, mels, frames))

    def _step(self, block: DenseBlock, images: int, mels: int, frames: int) -> Step:
        """A block as it is computed, for inputs that are of this size most often."""
        folded = FoldedBlock.of(block, self._dtype)
        growth, channels = block.conv2.weight.shape[:2]
        shape = (images, channels, mels, frames)
        weight1, bias1 = folded.weight1[:, :, None, None].to(self._device), folded.bias1.to(self._device)
        return self._block_type(
            lower=self._spread(folded.lower, frames),
            upper=None if folded.upper is None else self._spread(folded.upper, frames),
            conv1=convolution(weight1, bias1, relu=True, input_shape=shape),
            conv2=convolution(self._to(block.conv2.weight), None, relu=False, input_shape=shape),
            gate=copy.deepcopy(block.gate).to(self._device),
            pool=block.pool,
            growth=growth,
        )

    def _spread(self, values: torch.Tensor, frames: int) -> torch.Tensor:
        wide = self._to(values)[None, :, None, None].expand(1, -1, 1, frames)
        return wide.contiguous(memory_format=torch.channels_last)


def _affine(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """What a batch norm does in evaluation mode: scale and shift, [channels] each."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale, norm.bias - norm.running_mean * scale


def _pool(x: torch.Tensor, pool: tuple[int, int], out: torch.Tensor) -> None:
    """Max-pooling of 1 or 2 each way; torch's own takes thrice as long, for it also notes where each maximum was."""
    if pool[0] == 2:
        x = _halved(x, 2, out if pool[1] == 1 else None)
    if pool[1] == 2:
        x = _halved(x, 3, out)
    if pool == (1, 1):
        out.copy_(x)


def _halved(x: torch.Tensor, dim: int, out: torch.Tensor | None) -> torch.Tensor:
    """The greater of each two neighbours along an axis; a last one without a neighbour is left out."""
    pairs = torch.unflatten(x.narrow(dim, 0, x.shape[dim] // 2 * 2), dim, (-1, 2))
    return torch.maximum(pairs.select(dim + 1, 0), pairs.select(dim + 1, 1), out=out)
