"""Exporting what a real, tiny training came to."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from training_settings import TINY

from kernel_src.manifest import read_manifest, sha256_of
from sample_data import make_training_data
from train_offline import command
from train_offline.manifest_file import write_manifest
from train_offline.recipes import SILVER, SIZES
from train_offline.training import TrainingSettings, train

QUICK = replace(TINY, epochs=2)
CURATED_ALONE = replace(SILVER, stages=SILVER.stages[:1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data and weights of a tiny training."""
    folder = tmp_path_factory.mktemp("trained")
    data, weights = make_training_data(folder / "data"), folder / "weights"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, QUICK.name, QUICK)
        train(TrainingSettings(data, weights, CURATED_ALONE, QUICK, folds=(0, 1)))
    return data, weights


@pytest.fixture
def data(trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(SIZES, QUICK.name, QUICK)
    return trained[0]


@pytest.fixture
def weights(trained: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return shutil.copytree(trained[1], tmp_path / "weights")


def export(data: Path, weights: Path, *options: object) -> int:
    return command.main(["export", "--data", str(data), "--weights", str(weights), *map(str, options)])


def test_the_kernel_predicts_what_the_training_predicted(
    data: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(data, weights, "--clips", 3) == 0
    printed = capsys.readouterr().out
    for words in ("safetensors, no pickle", "fold0-curated    3 clips: at most", "fold1-curated    3 clips", "sha256"):
        assert words in printed


def test_folds_are_scored_without_the_short_numbers_that_gpus_take_for_float32(trained: tuple[Path, Path]) -> None:
    assert trained
    assert torch.backends.cudnn.conv.fp32_precision == "ieee"


def test_where_no_predictions_were_kept_the_scores_must_come_out_again(
    data: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(weights / "training", ignore_errors=True)
    assert export(data, weights) == 0
    assert capsys.readouterr().out.count("as in training") == 2
    manifest = read_manifest(weights)
    wrong = replace(manifest.members[0], oof_lwlrap=0.123)
    write_manifest(weights, replace(manifest, members=(wrong, manifest.members[1])))
    assert export(data, weights) == 2
    assert "the manifest says 0.123" in capsys.readouterr().err


def _other_network(weights: Path) -> None:
    """Changed weights whose checksum is right all the same."""
    file = weights / "fold0-curated.safetensors"
    tensors = load_file(file)
    save_file(
        {name: tensor * 1.001 if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}, file
    )
    manifest = read_manifest(weights)
    member = replace(manifest.members[0], sha256=sha256_of(file))
    write_manifest(weights, replace(manifest, members=(member, manifest.members[1])))


def _other_frontend(weights: Path) -> None:
    manifest = read_manifest(weights)
    member = replace(manifest.members[1], frontend={**manifest.members[1].frontend, "pcen_gain": 0.61})
    write_manifest(weights, replace(manifest, members=(manifest.members[0], member)))


def _flipped_bit(weights: Path) -> None:
    file = weights / "fold0-curated.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def _pickle(weights: Path) -> None:
    file = weights / "fold0-curated.safetensors"
    file.write_bytes(pickle.dumps({"weights": list(range(100))}))
    manifest = read_manifest(weights)
    member = replace(manifest.members[0], sha256=sha256_of(file))
    write_manifest(weights, replace(manifest, members=(member, manifest.members[1])))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_other_network, "fold0-curated.safetensors: the kernel's probabilities are up to"),
        (_other_frontend, "fold1-curated.safetensors: the kernel's probabilities are up to"),
        (_flipped_bit, "the manifest says"),
        (_pickle, "is no safetensors file but a pickle"),
        (lambda weights: (weights / "fold1-curated.safetensors").unlink(), "it is not there"),
    ],
)
def test_what_does_not_hold_is_one_line_and_exit_code_2_and_nothing_is_copied(
    data: Path,
    weights: Path,
    spoil: Callable[[Path], object],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = weights.parent / "copy"
    spoil(weights)
    capsys.readouterr()
    assert export(data, weights, "--out", copy) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if " views in " not in line]
    assert len(lines) == 1
    assert words in lines[0]
    assert not copy.exists()


def test_a_copy_holds_what_the_kernel_needs_and_may_be_made_anew(data: Path, weights: Path, tmp_path: Path) -> None:
    (weights / "resume.pt").write_bytes(b"\x80\x02")
    out = tmp_path / "deep" / "copy"
    for _ in range(2):
        assert export(data, weights, "--out", out) == 0
    names = {"manifest.json", "fold0-curated.safetensors", "fold1-curated.safetensors", "README.md"}
    assert {path.name for path in out.iterdir()} == names
    assert [path.name for path in out.parent.iterdir()] == ["copy"]
    assert json.loads((out / "manifest.json").read_text()) == json.loads((weights / "manifest.json").read_text())
    assert export(data, out) == 0


def test_a_folder_with_something_else_in_it_is_not_overwritten(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "photos"
    out.mkdir()
    (out / "holiday.jpg").write_bytes(b"sea")
    for wrong, words in ((out, "holds holiday.jpg"), (weights, "the weights folder itself")):
        assert export(data, weights, "--out", wrong) == 2
        assert words in capsys.readouterr().err
    assert (out / "holiday.jpg").read_bytes() == b"sea"


def test_a_copy_that_cannot_be_written_is_one_line_and_leaves_no_part(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert export(data, weights, "--out", tmp_path / "file" / "copy") == 2
    assert "copy: cannot be written" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"file", "weights"}


def test_a_number_of_clips_must_be_one(data: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        export(data, weights, "--clips", 0)
    assert "expected a number of 1 or more, got '0'" in capsys.readouterr().err
