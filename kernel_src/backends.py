"""The ways to compute a network's logits: which of them a device has, and how each is built."""

from collections.abc import Callable

import torch

from kernel_src.backend_names import COMPILED, EXACT, FOLDED, GRAPHED, MADE_BY_A_COMPILER, PLAIN, WINOGRAD
from kernel_src.compiled import captured_compiled
from kernel_src.cuda_graphs import GraphedNetwork
from kernel_src.folded import FoldedNetwork
from kernel_src.model import SEDenseNet
from kernel_src.winograd import WinogradNetwork

Network = Callable[[torch.Tensor], torch.Tensor]
"""[batch, 1, mels, frames] normalised float32 on the network's device to [batch, labels] float32 there."""

DTYPES = dict(zip(FOLDED, (torch.float32, torch.bfloat16, torch.float16), strict=True))

FIRST_WITH_BFLOAT16 = (8, 0)
"""Compute capability of the first GPUs (Ampere) that multiply bfloat16; older ones emulate it, and say they have it."""

FIRST_WITH_FLOAT16 = (7, 0)
"""Of the first ones (Volta) that are quick with float16; a T4 has 7.5."""


def build(
    backend: str, model: SEDenseNet, device: torch.device, after_block: Callable[[], object] = lambda: None
) -> Network:
    """A network that computes by one of `BACKENDS`.

    Args:
        backend: the name.
        model: float32 in evaluation mode, on the device; it is shared by the plain backend and copied by the others.
        device: where to compute.
        after_block: is called when a block's weights have been copied, but by the plain backend, which copies none.

    Raises:
        RuntimeError: it cannot be had here.
    """
    if backend == WINOGRAD:
        if device.type != "cpu":
            raise RuntimeError("it is made for processors")
        return WinogradNetwork(model, after_block)
    if backend in GRAPHED:
        return GraphedNetwork(build(GRAPHED[backend], model, device, after_block))
    if backend in COMPILED:
        return GraphedNetwork(build(COMPILED[backend], model, device, after_block), captured_compiled)
    return model if backend == PLAIN else FoldedNetwork(model, DTYPES[backend], device, after_block)


def candidates(device: torch.device) -> tuple[str, ...]:
    """The backends that are worth trying on a device, the one expected to be the quickest first.

    None in half precision on a processor, whatever its instructions: Winograd's algorithm is about as quick, and exact
    (`docs/speed.md`).
    """
    quickest = (WINOGRAD,) if device.type == "cpu" else _half_precision(device)
    return (*quickest, EXACT, PLAIN)


def usual(device: torch.device) -> str:
    """The backend that is most likely the quickest of those that are ready at once."""
    return next(name for name in candidates(device) if name not in MADE_BY_A_COMPILER)


def _half_precision(gpu: torch.device) -> tuple[str, ...]:
    """The half precision that a GPU multiplies itself; emulation is slower than float32."""
    if multiplies_bfloat16(gpu):
        return ("compiled-bfloat16", "graphed-bfloat16", "folded-bfloat16")
    multiplies_float16 = torch.cuda.get_device_capability(gpu) >= FIRST_WITH_FLOAT16
    return ("compiled-float16", "graphed-float16", "folded-float16") if multiplies_float16 else ()


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16 (a CPU AVX-512 BF16 or AMX); all others emulate it, slowly."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= FIRST_WITH_BFLOAT16
    try:
        tests = (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported)  # noqa: SLF001
        return any(test() for test in tests)
    except AttributeError:  # they are no public interface
        return False
