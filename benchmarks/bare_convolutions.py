"""The convolutions of a network and nothing else: what no way of computing it can be quicker than on this library."""

import torch

from kernel_src.convolution import Convolution, convolution
from kernel_src.model import DenseBlock, SEDenseNet


class BareConvolutions:
    """Each convolution once, on inputs that are there already and as small as the cache likes them.

    Args:
        model: whose convolutions.
        dtype: of weights and activations.
        device: where.
        batch: images in all; on a processor they come one at a time, as in the runtime's first blocks.
    """

    def __init__(self, model: SEDenseNet, dtype: torch.dtype, device: torch.device, batch: int) -> None:
        config = model.config
        self._steps: list[tuple[Convolution, torch.Tensor, int]] = []
        mels, frames = config.n_mels, config.crop_frames
        self._add(model.stem.weight, dtype, device, batch, (1, mels, frames))
        for block in model.blocks:
            assert isinstance(block, DenseBlock)
            channels = block.conv1.weight.shape[0]
            for weight in (block.conv1.weight, block.conv2.weight):
                self._add(weight, dtype, device, batch, (channels, mels, frames))
            mels, frames = mels // block.pool[0], frames // block.pool[1]

    def _add(
        self, weight: torch.Tensor, dtype: torch.dtype, device: torch.device, batch: int, shape: tuple[int, int, int]
    ) -> None:
        at_once = 1 if device.type == "cpu" and shape[1] * shape[2] * shape[0] >= 2**17 else batch
        x = torch.randn(at_once, *shape, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
        run = convolution(weight.detach().to(device, dtype), None, relu=False, input_shape=x.shape)
        self._steps.append((run, x, batch // at_once))

    def __call__(self) -> None:
        """Runs them."""
        with torch.inference_mode():
            for run, x, times in self._steps:
                for _ in range(times):
                    run(x)
