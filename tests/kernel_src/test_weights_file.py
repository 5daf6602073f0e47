from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from kernel_src.weights_file import mapped_tensors

SHAPES = st.lists(st.lists(st.integers(0, 5), max_size=4).map(tuple), min_size=1, max_size=6)


@settings(max_examples=40)
@given(shapes=SHAPES, counts=SHAPES, told=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=2))
def test_the_tensors_are_those_that_the_library_reads(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: list[tuple[int, ...]],
    counts: list[tuple[int, ...]],
    told: dict[str, str],
) -> None:
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    tensors = {f"weight{number}": torch.randn(shape) for number, shape in enumerate(shapes)}
    tensors |= {f"count{number}": torch.randint(9**9, shape) for number, shape in enumerate(counts)}
    save_file(tensors, path, metadata=told)
    found, expected = mapped_tensors(path), load_file(path)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)


def test_they_stay_when_the_file_is_deleted_and_nothing_is_written_to_it(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.arange(1000.0)}, path)
    before = path.read_bytes()
    weight = mapped_tensors(path)["weight"]
    weight += 1
    assert path.read_bytes() == before
    path.unlink()
    torch.testing.assert_close(weight, torch.arange(1000.0) + 1)


def test_one_can_be_changed_while_another_is_waiting_for_its_gradient(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.arange(10.0), "mean": torch.zeros(10)}, path)
    tensors = mapped_tensors(path)
    weight, mean = torch.nn.Parameter(tensors["weight"]), tensors["mean"]
    loss = (weight * weight).sum()
    mean += 1
    loss.backward()
    torch.testing.assert_close(weight.grad, 2 * torch.arange(10.0))


def test_they_can_be_saved_as_any_others(tmp_path: Path) -> None:
    path, copy = tmp_path / "weights.safetensors", tmp_path / "copy.pt"
    save_file({"weight": torch.arange(1000.0), "count": torch.tensor(3)}, path)
    tensors = mapped_tensors(path)
    torch.save({"weight": tensors["weight"]}, copy)
    assert copy.stat().st_size < 6000  # its own bytes, and none of the others'
    torch.save(tensors, copy)
    torch.testing.assert_close(torch.load(copy), tensors)


def test_a_file_that_was_cut_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.arange(1000.0)}, path)
    for length in (4000, 40, 4, 0):
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(SafetensorError):
            mapped_tensors(path)


def test_what_is_of_no_type_of_weights_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"half": torch.zeros(3, dtype=torch.float16)}, path)
    with pytest.raises(RuntimeError, match="half is of type F16"):
        mapped_tensors(path)
