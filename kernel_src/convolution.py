"""A convolution with fixed weights, and the ReLU that follows it, in the quickest form that torch has here."""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

Convolution = Callable[[torch.Tensor], torch.Tensor]
"""[batch, channels, mels, frames] channels-last to the same size with other channels."""


def convolution(
    weight: torch.Tensor, bias: torch.Tensor | None, *, relu: bool, input_shape: Sequence[int]
) -> Convolution:
    """A convolution that keeps the size of its input.

    Args:
        weight: [out, in, k, k] with odd k, in the data type and on the device of the inputs to come.
        bias: [out] float32, on that device.
        relu: whether negative results become zero.
        input_shape: what an input will look like most often; others work too.
    """
    if weight.device.type == "cpu" and packing_works(weight.dtype):
        return _PackedConvolution(weight, bias, relu, input_shape)
    return _PlainConvolution(weight, bias, relu)


def packing_works(dtype: torch.dtype) -> bool:
    """Whether this torch has oneDNN's fused convolution, which is no public interface, and it gives the right sums."""
    weight, x = torch.ones(8, 8, 1, 1, dtype=dtype), torch.ones(1, 8, 2, 2, dtype=dtype)
    try:
        y = _PackedConvolution(-weight, None, True, x.shape)(x), _PackedConvolution(weight, None, False, x.shape)(x)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return bool((y[0] == 0).all() and (y[1] == 8).all())


class _PlainConvolution:
    """What every torch has, on every device."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, relu: bool) -> None:
        self._weight = weight.contiguous(memory_format=torch.channels_last)
        self._bias = None if bias is None else bias.to(weight.dtype)
        self._relu = relu
        self._padding = weight.shape[-1] // 2

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        y = F.conv2d(x, self._weight, self._bias, padding=self._padding)
        return y.relu_() if self._relu else y


class _PackedConvolution:
    """oneDNN's own: the weights are laid out for this CPU once, and the ReLU is applied before the result is stored.

    These are the operations that `torch.compile` itself puts in the place of a convolution and its ReLU.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, relu: bool, input_shape: Sequence[int]) -> None:
        self._padding = [weight.shape[-1] // 2] * 2
        self._run = torch.ops.mkldnn._convolution_pointwise.default  # noqa: SLF001
        pack = torch.ops.mkldnn._reorder_convolution_weight.default  # noqa: SLF001
        plain = weight.contiguous(memory_format=torch.channels_last)
        self._weight = pack(plain, self._padding, [1, 1], [1, 1], 1, list(input_shape))
        self._bias = bias
        self._activation = "relu" if relu else "none"

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        ones = [1, 1]
        y: torch.Tensor = self._run(x, self._weight, self._bias, self._padding, ones, ones, 1, self._activation, [], "")
        return y
