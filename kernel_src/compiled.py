"""A network through torch's compiler: a GPU then reads and writes a tensor once where it did several times."""

from collections.abc import Callable
from functools import cache, partial

import torch

from kernel_src.cuda_graphs import captured

Network = Callable[[torch.Tensor], torch.Tensor]


_batches: dict[torch.Size, int] = {}
"""How many images are compiled for, by their shape: the first number that came often, which is that of a full batch."""


def captured_compiled(network: Network, images: torch.Tensor) -> Network:
    """A CUDA graph of a network that is compiled first, for inputs like `images`.

    The first one of a size takes ten seconds or more; further networks of the same size share what was compiled. The
    many sizes of a pass's last batch are not worth that, and are captured as they are.
    """
    if _batches.setdefault(images.shape[1:], len(images)) != len(images):
        return captured(network, images)
    return captured(partial(compiled_call(), network), images)


@cache
def compiled_call(backend: str = "inductor") -> Callable[[Network, torch.Tensor], torch.Tensor]:
    """A function that calls a network with images; compiled once for all networks that have the same structure."""
    from torch._inductor import config  # noqa: PLC0415 - the compiler takes long to load

    # In this process: helpers of the compiler's own would take memory that nobody counts, and outlive the deadline.
    config.compile_threads = 1
    return torch.compile(_call, backend=backend, dynamic=False, fullgraph=True)


def _call(network: Network, images: torch.Tensor) -> torch.Tensor:
    return network(images)
