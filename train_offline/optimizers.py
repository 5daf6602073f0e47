"""The optimizers of a network: AdamW for all weights, or Muon for those of the convolutions."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, overload

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer
from torch.overrides import TorchFunctionMode

from kernel_src.backends import multiplies_bfloat16
from kernel_src.model import SEDenseNet
from train_offline.recipes import Recipe


class _KeepFloat32(TorchFunctionMode):
    """Torch's Muon rounds a matrix to bfloat16 before its Newton-Schulz steps; in here it stays float32."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.Tensor.bfloat16:
            return args[0].clone()
        return func(*args, **(kwargs or {}))


class ConvolutionMuon(Muon):
    """Torch's Muon, for convolutions: each is the matrix of its output channels by all that enters one of them.

    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", which flattens them so.

    Args:
        weights: [out, in, height, width], each on its device and in its final memory format.
        learning_rate: the spectral norm of a step's change, for matrices no higher than wide.
        weight_decay: as AdamW's.
    """

    def __init__(self, weights: Sequence[torch.Tensor], learning_rate: float, weight_decay: float) -> None:
        self._weights = list(weights)
        matrices = [nn.Parameter(_as_matrix(weight.detach())) for weight in weights]
        super().__init__(matrices, lr=learning_rate, weight_decay=weight_decay)

        self.register_step_pre_hook(self._take_gradients)
        self._emulates_bfloat16 = not multiplies_bfloat16(weights[0].device)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """A step as torch's Muon takes it; in float32 where emulating bfloat16 would take 20 times as long."""
        with _KeepFloat32() if self._emulates_bfloat16 else nullcontext():
            loss: float | None = super().step(closure)  # type: ignore[no-untyped-call]
        return loss

    def _take_gradients(self, *_: object) -> None:
        """Before a step: the matrices share the weights' memory, but a gradient belongs to a parameter."""
        for weight, matrix in zip(self._weights, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if weight.grad is None else weight.grad.permute(0, 2, 3, 1).flatten(1)


def optimizers_of(model: SEDenseNet, recipe: Recipe, peak_learning_rate: float) -> list[Optimizer]:
    """All optimizers of a network, which take their steps together."""
    if recipe.muon_factor is None:
        return [_adamw(list(model.parameters()), recipe, peak_learning_rate)]
    # The first convolution has one input, and its few weights are no matrix worth the name.
    convolutions = [module.weight for module in model.blocks.modules() if isinstance(module, nn.Conv2d)]
    theirs = {id(weight) for weight in convolutions}
    others = [parameter for parameter in model.parameters() if id(parameter) not in theirs]
    muon_peak = recipe.muon_factor * peak_learning_rate
    return [
        ConvolutionMuon(convolutions, muon_peak, recipe.weight_decay),
        _adamw(others, recipe, peak_learning_rate),
    ]


def _adamw(parameters: list[nn.Parameter], recipe: Recipe, peak_learning_rate: float) -> AdamW:
    return AdamW(parameters, lr=peak_learning_rate, weight_decay=recipe.weight_decay, fused=True)


def _as_matrix(weight: torch.Tensor) -> torch.Tensor:
    """[out, height * width * in] the same memory.

    Raises:
        ValueError: the weight is not channels-last, and the matrix would be a copy that nobody reads.
    """
    matrix = weight.permute(0, 2, 3, 1).flatten(1)
    if matrix.data_ptr() != weight.data_ptr():
        raise ValueError(f"a weight of shape {tuple(weight.shape)} is not channels-last")
    return matrix
