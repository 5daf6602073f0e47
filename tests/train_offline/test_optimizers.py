"""The optimizers of a network, Muon among them."""

from dataclasses import replace

import pytest
import torch
from training_settings import TINY

from kernel_src.model import SEDenseNet
from train_offline import optimizers
from train_offline.optimizers import ConvolutionMuon, optimizers_of
from train_offline.recipes import SILVER, Recipe
from train_offline.train_network import new_network

MUON = replace(SILVER, muon_factor=5.0)


def network() -> SEDenseNet:
    return new_network(SILVER, TINY, n_labels=3, seed=0).to(memory_format=torch.channels_last)


@pytest.mark.parametrize("recipe", [SILVER, MUON], ids=["adamw", "muon"])
def test_every_weight_of_the_network_is_changed_once_a_step(recipe: Recipe) -> None:
    model = network()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    for optimizer in optimizers_of(model, recipe, 1e-2):
        optimizer.step()
    unchanged = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert unchanged == []


@pytest.mark.parametrize("shape", [(4, 6, 3, 3), (8, 4, 1, 1)])
def test_muon_changes_a_convolution_by_a_nearly_orthogonal_matrix(shape: tuple[int, ...]) -> None:
    weight = torch.nn.Parameter(torch.randn(shape).to(memory_format=torch.channels_last))
    before = weight.detach().clone()
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    gradient = weight.grad.flatten(1)
    ConvolutionMuon([weight], learning_rate=0.1, weight_decay=0.0).step()
    change = (before - weight.detach()).flatten(1)
    high, wide = change.shape
    sizes = torch.linalg.svdvals(change) / (0.1 * max(1, high / wide) ** 0.5)
    assert sizes.min() > 0.5  # its Newton-Schulz steps end between 0.7 and 1.2 ...
    assert sizes.max() < 1.4
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    alike = torch.sum(change * (left @ right)) / change.norm() / (left @ right).norm()
    assert alike > 0.95  # ... of the matrix nearest to the gradient


@pytest.mark.parametrize("shape", [(4, 6, 3, 3), (40, 4, 1, 1)])
def test_muon_computes_in_float32_where_bfloat16_is_emulated(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the formula, step by step; a result rounded to bfloat16 would be a hundredth off."""
    monkeypatch.setattr(optimizers, "multiplies_bfloat16", lambda _: False)
    weight = torch.nn.Parameter(torch.zeros(shape).to(memory_format=torch.channels_last))
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    expected = weight.grad.permute(0, 2, 3, 1).flatten(1).double()
    expected /= expected.norm()
    for _ in range(5):
        gram = expected @ expected.T
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    high, wide = expected.shape
    ConvolutionMuon([weight], learning_rate=0.1, weight_decay=0.0).step()
    changed = weight.detach().permute(0, 2, 3, 1).flatten(1).double()
    torch.testing.assert_close(changed, -0.1 * max(1.0, high / wide) ** 0.5 * expected, rtol=0, atol=1e-5)


def test_muon_refuses_weights_that_it_could_only_change_in_a_copy() -> None:
    with pytest.raises(ValueError, match=r"\(4, 3, 3, 3\) is not channels-last"):
        ConvolutionMuon([torch.nn.Parameter(torch.zeros(4, 3, 3, 3))], 0.1, 0.0)
