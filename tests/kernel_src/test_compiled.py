"""A network can be compiled in one piece, and others of its size share what was compiled."""

import pytest
import torch

from kernel_src import compiled, convolution
from kernel_src.compiled import captured_compiled, compiled_call
from kernel_src.folded import FoldedNetwork
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig

CPU = torch.device("cpu")


def test_all_networks_of_a_size_are_one_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "packing_works", lambda _: False)  # a GPU has public operations only
    config = ModelConfig(n_labels=5, n_mels=16, crop_frames=32, width=4, depth=4)
    models = [SEDenseNet(config).eval() for _ in range(3)]
    images = torch.randn(4, 1, 16, 32)
    torch._dynamo.reset()
    call = compiled_call("eager")  # the compiler's front alone, which finds out what can be compiled at all
    with torch.inference_mode(), torch._dynamo.config.patch(error_on_recompile=True):
        for model in models:
            network = FoldedNetwork(model, torch.float32, CPU, fusable=True)
            torch.testing.assert_close(call(network, images), model(images), atol=1e-5, rtol=1e-5)


def test_only_full_batches_are_worth_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def compiled_double(_: object, images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        return images * 2

    monkeypatch.setattr(compiled, "_batches", {})
    monkeypatch.setattr(compiled, "captured", lambda network, _: network)
    monkeypatch.setattr(compiled, "compiled_call", lambda: compiled_double)
    for size in (8, 3, 8, 5):
        images = torch.ones(size, 1, 4, 4)
        assert torch.equal(captured_compiled(lambda batch: batch * 2, images)(images), images * 2)
    assert sizes == [8, 8]
