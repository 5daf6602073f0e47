"""Training as a user runs it: the real commands on a tiny data set of real files."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from kernel_src.errors import KernelError
from kernel_src.manifest import read_manifest, sha256_of
from kernel_src.weights import load_member
from sample_data import LABELS, SMALL_FRONTEND
from train_offline import command
from train_offline.dataset import CURATED, read_split
from train_offline.out_of_fold import score_weights
from train_offline.recipes import DEMO, SILVER, SIZES, Size
from train_offline.train_fold import TrainingSet, train_network
from train_offline.training import TrainingSettings, train

TINY = replace(
    DEMO,
    name="tiny",
    frontend=SMALL_FRONTEND,
    crop_frames=16,
    width=4,
    depth=3,
    n_folds=3,
    epochs=15,
    batch_clips=8,
)


@pytest.fixture(autouse=True)
def tiny_size(monkeypatch: pytest.MonkeyPatch) -> Size:
    monkeypatch.setitem(SIZES, TINY.name, TINY)
    return TINY


def settings(data: Path, out: Path, **changes: object) -> TrainingSettings:
    return replace(TrainingSettings(data, out, SILVER, TINY, folds=()), **changes)


def test_what_differs_by_pitch_is_learnt_and_scored_out_of_fold(training_data: Path, tmp_path: Path) -> None:
    members = train(settings(training_data, tmp_path / "weights"))
    assert [member.fold for member in members] == [0, 1, 2]
    scores = [member.oof_lwlrap for member in members]
    assert np.mean([score for score in scores if score is not None]) > 0.75  # chance is about 0.6 here
    manifest = read_manifest(tmp_path / "weights")
    assert manifest.labels == LABELS
    counts = read_split(training_data, CURATED, LABELS).targets.sum(axis=0)
    assert manifest.priors == pytest.approx((counts + 1) / 26)


def test_the_score_beside_the_weights_can_be_had_again_from_the_weights(training_data: Path, tmp_path: Path) -> None:
    members = train(settings(training_data, tmp_path / "weights", folds=(1, 2)))
    score = score_weights(training_data, tmp_path / "weights")
    for member in members:
        assert score.members[member.id].lwlrap == pytest.approx(member.oof_lwlrap)
        assert score.members[member.id].view_gains == pytest.approx(member.view_gains)
    assert score.counts.sum() > 0


def test_finished_folds_are_kept_and_a_second_run_adds_the_others(training_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    train(settings(training_data, out, folds=(0,)))
    before = sha256_of(out / "fold0-curated.safetensors")
    members = train(settings(training_data, out, folds=(0, 2)))
    assert [member.id for member in members] == ["fold0-curated", "fold2-curated"]
    assert sha256_of(out / "fold0-curated.safetensors") == before


def test_weights_of_another_training_are_not_mixed_in_nor_lost(training_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    train(settings(training_data, out, folds=(0,)))
    before = (out / "manifest.json").read_text()
    with pytest.raises(KernelError, match=r"another training \(seed differ\).*--again"):
        train(settings(training_data, out, folds=(1,), seed=1))
    assert (out / "manifest.json").read_text() == before
    assert [member.fold for member in train(settings(training_data, out, folds=(1,), seed=1, again=True))] == [1]


def test_the_same_seed_trains_the_same_network() -> None:
    clips = TrainingSet(
        [str(index) for index in range(10)],
        [np.random.default_rng(index).random((16, 20)).astype(np.float16) for index in range(10)],
        np.eye(10, 3, dtype=bool),
    )
    short = replace(TINY, epochs=2)
    networks = [
        train_network(clips, recipe=SILVER, size=short, seed=seed, device=torch.device("cpu"), title="test")
        for seed in (0, 0, 1)
    ]
    states = [network.model.state_dict() for network in networks]
    torch.testing.assert_close(states[0], states[1], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(states[0]["stem.weight"], states[2]["stem.weight"], atol=1e-2)


def test_a_loss_that_is_not_finite_stops_with_the_clips_named() -> None:
    clips = TrainingSet(list("abcd"), [np.eye(16, 20, dtype=np.float16)] * 4, np.eye(4, 3, dtype=bool))
    wild = replace(SILVER, peak_learning_rate=1e30)
    with pytest.raises(KernelError, match=r"step \d+: the loss is nan on [abcd], [abcd], [abcd], [abcd]"):
        train_network(clips, recipe=wild, size=TINY, seed=0, device=torch.device("cpu"), title="test")


def test_the_trained_network_gives_the_kernel_what_it_gave_in_training(training_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    (member,) = train(settings(training_data, out, folds=(0,)))
    loaded = load_member(out, member, len(LABELS), torch.device("cpu"))
    assert (loaded.mean, loaded.std) == (member.mean, member.std)
    assert loaded.frontend == SMALL_FRONTEND
    assert loaded.config == TINY.model(len(LABELS))


def test_clips_that_cannot_be_read_are_named_and_left_out(
    training_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(training_data / "train_curated" / "00000005.wav", np.zeros(0, np.float32), 44_100)
    train(settings(training_data, tmp_path / "weights", folds=(0,)))
    assert "00000005.wav: has no samples; left out of the training" in capsys.readouterr().err


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command_line = [sys.executable, "-m", "train_offline", *map(str, arguments)]
    return subprocess.run(command_line, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--folds", "9"], "no fold 9"),
        (["--folds", "a"], "fold numbers such as 0,1"),
        (["--recipe", "gold"], "gold"),
        (["--out", "/dev/null"], "not a folder"),
    ],
)
def test_bad_use_is_exit_code_2_without_a_traceback(training_data: Path, arguments: list[str], word: str) -> None:
    done = run("train", "--data", training_data, *arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_evaluate_refuses_data_that_the_weights_are_not_from(training_data: Path, tmp_path: Path) -> None:
    train(settings(training_data, tmp_path / "weights", folds=(0,)))
    table = training_data / "train_curated.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(KernelError, match="trained on other clips"):
        score_weights(training_data, tmp_path / "weights")


def test_evaluate_prints_each_label_and_the_whole(
    training_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "weights"
    train(settings(training_data, out, folds=(0,)))
    capsys.readouterr()
    assert command.main(["evaluate", "--data", str(training_data), "--weights", str(out)]) == 0
    printed = capsys.readouterr().out
    assert all(label in printed for label in LABELS)
    assert (
        f"out-of-fold lwlrap {json.loads((out / 'manifest.json').read_text())['members'][0]['oof_lwlrap']:.4f}"
        in printed
    )
