"""Replays a network on a GPU as one CUDA graph: its two hundred small kernels then wait for nobody to launch them."""

import threading
import warnings
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

Network = Callable[[torch.Tensor], torch.Tensor]

CAPTURE_AT_CALL = 3
"""A batch size is worth a graph when it comes for the third time; the odd batch at a pass's end is not."""

WARM_UPS = 2
"""Calls before a capture, in which libraries choose their algorithms and make room for themselves."""

OWN_THREAD = "thread_local"
"""Whose doings a capture forbids: other threads may be busy with other GPUs at the same time."""


_locks: dict[torch.device, threading.Lock] = {}
"""One for each GPU: its graphs share their memory, and a result must be copied before any of them is replayed again."""


def captured(network: Network, images: torch.Tensor) -> Network:
    """A CUDA graph of a network for inputs like `images`; its result is overwritten by the next call."""
    given = images.clone()
    with torch.cuda.device(images.device):
        here, side = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(here)
        with torch.cuda.stream(side):
            for _ in range(WARM_UPS):
                network(given)
        here.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=_pool(images.device), capture_error_mode=OWN_THREAD):
            result = network(given)

    def replay(batch: torch.Tensor) -> torch.Tensor:
        given.copy_(batch)
        graph.replay()
        return result

    return replay


def _pool(device: torch.device) -> Any:
    """Where all graphs of a GPU have their tensors."""
    return _kept_pool(device)[0]


@cache
def _kept_pool(device: torch.device) -> tuple[Any, torch.cuda.CUDAGraph]:
    """A pool, and a graph that lives as long.

    Torch refuses to capture into a pool that has lost all of its graphs while something is left in it, and the
    workspace of cuBLAS is, once a network has been captured.
    """
    pool, keeper = torch.cuda.graph_pool_handle(), torch.cuda.CUDAGraph()
    with torch.cuda.graph(keeper, pool=pool, capture_error_mode=OWN_THREAD):
        torch.zeros(1, device=device)
    return pool, keeper


class GraphedNetwork:
    """A network that is captured for each size of batch that comes often; safe to call from several threads.

    Args:
        network: is called as it is for other sizes, and for all where capturing fails.
        capture: makes the graph.
    """

    def __init__(self, network: Network, capture: Callable[[Network, torch.Tensor], Network] = captured) -> None:
        self._network = network
        self._capture = capture
        self._calls: Counter[torch.Size] = Counter()
        self._graphs: dict[torch.Size, Network] = {}
        self._capturing = True

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """What the network says."""
        with _locks.setdefault(images.device, threading.Lock()):
            graph = self._graph_for(images)
            return self._network(images) if graph is None else graph(images).clone()

    def _graph_for(self, images: torch.Tensor) -> Network | None:
        self._calls[images.shape] += 1
        if self._capturing and self._calls[images.shape] == CAPTURE_AT_CALL:
            try:
                self._graphs[images.shape] = self._capture(self._network, images)
            except (RuntimeError, ValueError) as error:  # the network works without; nothing is lost but some speed
                self._capturing = False
                reason = str(error).strip().partition("\n")[0] or type(error).__name__
                warnings.warn(f"no CUDA graph ({reason}); the network goes on without", RuntimeWarning, stacklevel=2)
        return self._graphs.get(images.shape)
