from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kernel_src.backend_names import EXACT, PLAIN
from kernel_src.backends import usual
from kernel_src.errors import KernelError
from kernel_src.manifest import Member, read_manifest, sha256_of
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig
from kernel_src.weights import LoadedMember, load_member
from sample_data import make_weights

CPU = torch.device("cpu")


@pytest.fixture
def member(tmp_path: Path) -> Member:
    return make_weights(tmp_path, n_members=1).members[0]


def test_a_member_is_rebuilt_from_the_settings_beside_it(tmp_path: Path, member: Member) -> None:
    loaded = load_member(tmp_path, member, 3, CPU)
    assert asdict(loaded.config) == member.model
    assert asdict(loaded.frontend) == member.frontend
    assert not loaded.model.training
    torch.manual_seed(0)  # as make_weights does for fold 0
    torch.testing.assert_close(loaded.model.state_dict(), SEDenseNet(loaded.config).state_dict())


def test_a_single_flipped_byte_is_noticed(tmp_path: Path, member: Member) -> None:
    path = tmp_path / member.file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(KernelError, match="sha256"):
        load_member(tmp_path, member, 3, CPU)


def test_a_missing_file_says_what_to_do(tmp_path: Path, member: Member) -> None:
    (tmp_path / member.file).unlink()
    with pytest.raises(KernelError, match="upload the weights again"):
        load_member(tmp_path, member, 3, CPU)


def test_weights_that_do_not_fit_their_settings_are_one_clear_line(tmp_path: Path, member: Member) -> None:
    path = tmp_path / member.file
    save_file(SEDenseNet(ModelConfig(n_labels=3, n_mels=16, crop_frames=32, width=2, depth=3)).state_dict(), path)
    with pytest.raises(KernelError, match="does not fit its settings") as caught:
        load_member(tmp_path, replace(member, sha256=sha256_of(path)), 3, CPU)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, member: Member) -> None:
    path = tmp_path / member.file
    state = load_file(path)
    state["norm.weight"][1] = torch.nan
    save_file(state, path)
    with pytest.raises(KernelError, match="not finite"):
        load_member(tmp_path, replace(member, sha256=sha256_of(path)), 3, CPU)


def test_outputs_that_do_not_fit_the_labels_are_refused(tmp_path: Path, member: Member) -> None:
    with pytest.raises(KernelError, match="3 outputs for 5 labels"):
        load_member(tmp_path, member, 5, CPU)


def test_loading_needs_no_pickle(tmp_path: Path, member: Member) -> None:
    assert read_manifest(tmp_path).members[0].file.endswith(".safetensors")
    assert (tmp_path / member.file).read_bytes()[8:9] == b"{"  # a JSON header, then plain numbers


def test_what_computes_is_named_and_may_be_chosen(tmp_path: Path, member: Member) -> None:
    likeliest = load_member(tmp_path, member, 3, CPU)
    assert likeliest.backend == usual(CPU)
    plain = load_member(tmp_path, member, 3, CPU, backend="plain")
    images = torch.rand(4, 1, 16, 32)
    np.testing.assert_allclose(likeliest.logits(images), plain.logits(images), atol=0.01)
    folded = plain.on(CPU, "folded-float32")
    assert folded.backend == "folded-float32"
    np.testing.assert_allclose(folded.logits(images), plain.logits(images), atol=1e-5)


def test_a_loaded_member_computes_with_float32_that_is_not_shortened(tmp_path: Path, member: Member) -> None:
    torch.backends.cudnn.conv.fp32_precision = "tf32"
    load_member(tmp_path, member, 3, CPU)
    assert torch.backends.cudnn.conv.fp32_precision == "ieee"


@pytest.mark.gpu
def test_the_exact_backend_is_exact_on_a_gpu(tmp_path: Path, member: Member) -> None:
    plain = load_member(tmp_path, member, 3, CPU, PLAIN)
    images = torch.randn(8, 1, plain.config.n_mels, plain.config.crop_frames)
    on_gpu = plain.on(torch.device("cuda"), EXACT).probabilities(images)
    np.testing.assert_allclose(on_gpu, plain.probabilities(images), atol=1e-5)


def test_certain_labels_stay_apart_and_a_logit_that_is_not_finite_is_no_probability(
    tmp_path: Path, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = np.array([[18.0, 19.0, 20.0], [0.0, np.inf, np.nan]], np.float32)
    monkeypatch.setattr(LoadedMember, "logits", lambda *_: logits)
    certain, broken = load_member(tmp_path, member, 3, CPU).probabilities(torch.zeros(2, 1, 16, 32))
    assert certain[0] < certain[1] < certain[2] < 1
    np.testing.assert_array_equal(broken, [0.5, np.nan, np.nan])


def test_a_member_that_is_where_it_should_be_is_shared(tmp_path: Path, member: Member) -> None:
    loaded = load_member(tmp_path, member, 3, CPU)
    assert loaded.on(CPU) is loaded


def test_the_pages_that_a_copy_was_made_of_do_not_stay_in_memory(tmp_path: Path, member: Member) -> None:
    config = ModelConfig(n_labels=3, n_mels=16, crop_frames=32, width=32, depth=4)
    path = tmp_path / member.file
    save_file(SEDenseNet(config).state_dict(), path)
    member = replace(member, model=asdict(config), sha256=sha256_of(path))
    loaded = load_member(tmp_path, member, 3, CPU)
    assert path.stat().st_size > 1e6
    assert resident_bytes(path) == 0
    loaded.on(CPU, PLAIN).logits(torch.ones(1, 1, 16, 32))
    assert resident_bytes(path) > 0.8 * path.stat().st_size  # they are there again for whoever needs them
    loaded.map_anew()
    assert resident_bytes(path) == 0


def test_where_the_file_cannot_be_mapped_anew_the_member_goes_on_with_what_it_has(
    tmp_path: Path, member: Member
) -> None:
    loaded = load_member(tmp_path, member, 3, CPU, PLAIN)
    images = torch.rand(1, 1, 16, 32)
    before = loaded.logits(images)
    (tmp_path / member.file).unlink()
    loaded.map_anew()
    np.testing.assert_array_equal(loaded.logits(images), before)


def resident_bytes(path: Path) -> int:
    """Pages of a mapped file that this process has in memory."""
    areas = Path("/proc/self/smaps").read_text().split("VmFlags:")
    mapped = [area for area in areas if str(path) in area]
    assert mapped, "the file is not mapped at all"
    return sum(int(line.split()[1]) * 1024 for area in mapped for line in area.splitlines() if line.startswith("Rss:"))
