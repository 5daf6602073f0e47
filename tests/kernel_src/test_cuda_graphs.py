"""When a network is captured, and that nothing is lost where that fails."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from kernel_src.compiled import captured_compiled
from kernel_src.cuda_graphs import CAPTURE_AT_CALL, GraphedNetwork, captured
from kernel_src.folded import FoldedNetwork
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig

Network = Callable[[torch.Tensor], torch.Tensor]


def double(images: torch.Tensor) -> torch.Tensor:
    return images * 2


class Recorder:
    """Stands for a capture, and like a graph gives its result in the same place each time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.replays = 0

    def __call__(self, network: Network, images: torch.Tensor) -> Network:
        self.sizes.append(len(images))
        result = torch.empty_like(images)

        def replay(batch: torch.Tensor) -> torch.Tensor:
            self.replays += 1
            return result.copy_(network(batch))

        return replay


def test_a_size_that_comes_often_is_captured_once_and_odd_ones_are_not() -> None:
    capture = Recorder()
    network = GraphedNetwork(double, capture)
    batches = [torch.randn(size, 3) for size in (4, 4, 4, 2, 4, 4, 1)]
    results = [network(batch) for batch in batches]
    assert capture.sizes == [4]
    assert capture.replays == 3
    for batch, result in zip(batches, results, strict=True):  # a later call does not change an earlier result
        assert torch.equal(result, batch * 2)


def test_networks_whose_graphs_share_their_memory_do_not_overwrite_each_others_results() -> None:
    pool = torch.empty(4, 3)
    begun = threading.Barrier(2, timeout=10)

    def capture(network: Network, _: torch.Tensor) -> Network:
        def replay(batch: torch.Tensor) -> torch.Tensor:
            pool.copy_(network(batch))
            time.sleep(0.001)
            return pool

        return replay

    def ask(factor: int) -> list[torch.Tensor]:
        network = GraphedNetwork(lambda images: images * factor, capture)
        begun.wait()
        return [network(torch.ones(4, 3)) for _ in range(20)]

    with ThreadPoolExecutor(2) as threads:
        for factor, results in zip((2, 3), threads.map(ask, (2, 3)), strict=True):
            assert all(torch.equal(result, torch.full((4, 3), float(factor))) for result in results)


def test_a_capture_that_fails_is_not_tried_again_and_costs_nothing_else() -> None:
    attempts = []

    def fail(_network: Network, images: torch.Tensor) -> Network:
        attempts.append(images)
        raise RuntimeError("operation not permitted when stream is capturing")

    network = GraphedNetwork(double, fail)
    batches = [torch.ones(size, 3) for size in (4, 2) * (CAPTURE_AT_CALL + 1)]
    with pytest.warns(
        RuntimeWarning, match=r"no CUDA graph \(operation not permitted when stream is capturing\)"
    ) as told:
        results = [network(batch) for batch in batches]
    assert len(told) == len(attempts) == 1
    for batch, result in zip(batches, results, strict=True):
        assert torch.equal(result, 2 * batch)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # of torch's compiler
@pytest.mark.parametrize("capture", [captured, captured_compiled])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_graph_says_what_the_network_says(dtype: torch.dtype, capture: Callable[..., Network]) -> None:
    torch.manual_seed(0)
    device = torch.device("cuda")
    model = SEDenseNet(ModelConfig(n_labels=5, n_mels=64, crop_frames=64, width=8)).eval().to(device)
    network = FoldedNetwork(model, dtype, device)
    outcomes: list[Network | Exception] = []

    def recorded(network: Network, images: torch.Tensor) -> Network:
        try:
            outcomes.append(capture(network, images))
        except Exception as error:
            outcomes.append(error)
            raise
        assert not isinstance(outcomes[-1], Exception)
        return outcomes[-1]

    graphed = GraphedNetwork(network, recorded)
    with torch.inference_mode():
        for _ in range(CAPTURE_AT_CALL + 2):
            images = torch.randn(8, 1, 64, 64, device=device)
            torch.testing.assert_close(graphed(images), network(images), atol=1e-2, rtol=1e-2)
            torch.testing.assert_close(graphed(images), model(images), atol=0.1, rtol=0.1)
    assert len(outcomes) == 1
    assert not isinstance(outcomes[0], Exception), outcomes


@pytest.mark.gpu
def test_captures_go_on_after_all_graphs_are_gone() -> None:
    weights = torch.ones(64, 64, device="cuda")
    images = torch.ones(4, 64, device="cuda")
    for _ in range(3):
        # A product of matrices, for the workspace of cuBLAS stays where the graph was.
        replay = captured(lambda batch: batch @ weights, images)
        assert torch.equal(replay(images), torch.full((4, 64), 64.0, device="cuda"))
        del replay
