"""Training as a user runs it: the real commands on a tiny data set of real files."""

import fcntl
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from training_process import start_training
from training_settings import TINY

from kernel_src.errors import KernelError
from kernel_src.manifest import read_manifest, sha256_of
from kernel_src.weights import load_member
from sample_data import LABELS, SMALL_FRONTEND, make_training_data
from train_offline import command, evaluate, out_of_fold, train_fold
from train_offline.curated import CuratedClips
from train_offline.dataset import CURATED, read_split
from train_offline.known_bad_clips import NO_SIGNAL
from train_offline.manifest_file import write_manifest
from train_offline.metric import lwlrap
from train_offline.out_of_fold import OutOfFoldScore, score_weights
from train_offline.recipes import SILVER, FoldFrontend, Stage
from train_offline.spectrogram_cache import SpectrogramCache
from train_offline.training import TrainingSettings, train
from train_offline.weights_report import write_report


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """So small a network is not worth two threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train_offline.training.usable_cpus", lambda: 1)
        yield


def settings(data: Path, out: Path, **changes: object) -> TrainingSettings:
    return replace(TrainingSettings(data, out, SILVER, TINY, folds=()), **changes)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, and with weights of the first fold."""
    folder = tmp_path_factory.mktemp("trained")
    train(settings(make_training_data(folder / "data"), folder / "weights", folds=(0,)))
    return folder


@pytest.fixture
def first_fold(trained: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Data and weights of the first fold, which may be trained on, or spoilt."""
    shutil.copytree(trained, tmp_path / "trained")
    return tmp_path / "trained" / "data", tmp_path / "trained" / "weights"


def test_what_differs_by_pitch_is_learnt_and_scored_out_of_fold(training_data: Path, tmp_path: Path) -> None:
    members = train(settings(training_data, tmp_path / "weights"))
    assert [(member.fold, member.stage) for member in members] == [
        (fold, stage) for fold in range(3) for stage in ("curated", "noisy")
    ]
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


def test_folds_take_turns_with_the_frontends_of_a_recipe(training_data: Path, tmp_path: Path) -> None:
    recipe = replace(SILVER, frontends=(FoldFrontend("pcen"), FoldFrontend("db", hop_share=0.5)))
    members = train(settings(training_data, tmp_path / "weights", recipe=recipe))
    hop_samples = TINY.frontend.hop_samples
    assert [(member.fold, member.frontend["scaling"], member.frontend["hop_samples"]) for member in members[::2]] == [
        (0, "pcen", hop_samples),
        (1, "db", hop_samples // 2),
        (2, "pcen", hop_samples),
    ]
    score = score_weights(training_data, tmp_path / "weights")
    for member in members:
        assert score.members[member.id].lwlrap == pytest.approx(member.oof_lwlrap)


def test_finished_folds_are_kept_and_a_second_run_adds_the_others(first_fold: tuple[Path, Path]) -> None:
    data, out = first_fold
    before = sha256_of(out / "fold0-curated.safetensors")
    members = train(settings(data, out, folds=(0, 2)))
    assert [member.id for member in members] == ["fold0-curated", "fold0-noisy", "fold2-curated", "fold2-noisy"]
    assert sha256_of(out / "fold0-curated.safetensors") == before


def test_weights_of_another_training_are_not_mixed_in_nor_lost(first_fold: tuple[Path, Path]) -> None:
    data, out = first_fold
    before = (out / "manifest.json").read_text()
    with pytest.raises(KernelError, match=r"another training \(seed differ\).*--again"):
        train(settings(data, out, folds=(1,), seed=1))
    assert (out / "manifest.json").read_text() == before
    assert {member.fold for member in train(settings(data, out, folds=(1,), seed=1, again=True))} == {1}


def test_a_fold_that_is_trained_again_leaves_the_others_as_they_are(training_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    train(settings(training_data, out, folds=(0, 1)))
    written = {path.name: path.stat().st_mtime_ns for path in out.glob("*.safetensors")}
    members = train(settings(training_data, out, folds=(1,), again=True))
    assert [member.fold for member in members] == [0, 0, 1, 1]
    again = {path.name for path in out.glob("*.safetensors") if path.stat().st_mtime_ns != written[path.name]}
    assert again == {"fold1-curated.safetensors", "fold1-noisy.safetensors"}


def test_training_again_goes_on_after_an_interruption_and_begins_anew_once_it_is_through(
    first_fold: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = first_fold
    trained = []
    train_network = train_fold.train_network

    def watched(*arguments: Any, stage: Stage, **more: Any) -> Any:
        if len(trained) == 1:
            trained.append("interrupted")
            raise KeyboardInterrupt
        trained.append(stage.name)
        return train_network(*arguments, stage=stage, **more)

    monkeypatch.setattr(train_fold, "train_network", watched)
    with pytest.raises(KeyboardInterrupt):
        train(settings(data, out, folds=(0,), again=True))
    assert len(read_manifest(out).members) == 2, "what is to be replaced stays until it is"
    train(settings(data, out, folds=(0,), again=True))
    assert trained == ["curated", "interrupted", "noisy"]
    train(settings(data, out, folds=(0,), again=True))
    assert trained[3:] == ["curated", "noisy"]


def test_an_interruption_is_heeded_while_a_network_is_scored(
    training_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> evaluate.Validation:
        stop = next(item for item in arguments if isinstance(item, threading.Event))
        stop.set()
        return evaluate.validate(*arguments)

    monkeypatch.setattr(train_fold, "validate", interrupted)
    with pytest.raises(evaluate.StoppedError):
        train(settings(training_data, tmp_path / "weights", folds=(0,)))
    assert not list(tmp_path.glob("weights/*.safetensors"))


def test_processes_that_train_different_folds_into_one_folder_lose_nothing_of_each_other(
    training_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "weights"
    trainings = [
        start_training(tmp_path / f"{fold}.txt", "--data", training_data, "--folds", fold, "--out", out)
        for fold in range(3)
    ]
    told = [training.end() for training in trainings]
    assert [training.process.exitcode for training in trainings] == [0, 0, 0], told
    names = {member.id for member in read_manifest(out).members}
    assert names == {f"fold{fold}-{stage}" for fold in range(3) for stage in ("curated", "noisy")}
    assert train(settings(training_data, out)) == read_manifest(out).members


def test_a_fold_that_another_process_is_training_is_not_trained_beside_it(training_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    train(settings(training_data, out, folds=(0,)))
    with (out / "training" / "fold0.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for again in (False, True):
            with pytest.raises(KernelError, match=r"fold 0 is being trained by another process; wait for it"):
                train(settings(training_data, out, folds=(0, 1), again=again))
        assert len(train(settings(training_data, out, folds=(1,)))) == 4
        with pytest.raises(KernelError, match=r"fold 0 is being trained"):
            train(settings(training_data, out, folds=(0,), seed=1, again=True))
        assert train(settings(training_data, out, folds=(1,), seed=1, again=True))
        with pytest.raises(KernelError, match=r"fold 0 is being trained"):
            train(settings(training_data, out, folds=(0,), seed=1))
    assert len(train(settings(training_data, out, folds=(0,), seed=1))) == 4


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"")], ids=["missing", "damaged"])
def test_a_fold_whose_file_is_not_what_was_written_is_trained_anew(
    first_fold: tuple[Path, Path], capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object]
) -> None:
    data, out = first_fold
    spoil(out / "fold0-noisy.safetensors")
    train(settings(data, out, folds=(0,)))
    assert "fold0-noisy.safetensors: is missing or damaged; it is trained anew" in capsys.readouterr().err
    assert score_weights(data, out).members.keys() == {"fold0-curated", "fold0-noisy"}


def test_a_clip_that_is_mended_between_two_runs_changes_no_fold_and_is_noticed(
    training_data: Path, tmp_path: Path
) -> None:
    out, clip = tmp_path / "weights", training_data / CURATED / "00000005.wav"
    sound = clip.read_bytes()
    clip.write_bytes(b"broken")
    split, cache = read_split(training_data, CURATED, LABELS), SpectrogramCache(tmp_path / "cache")
    without = CuratedClips.of(split, SMALL_FRONTEND, 3, 0, cache=cache)
    train(settings(training_data, out, folds=(0,)))
    clip.write_bytes(sound)
    mended = CuratedClips.of(split, SMALL_FRONTEND, 3, 0, cache=cache)
    fold_of = dict(zip(mended.split.fnames, mended.fold_of.tolist(), strict=True))
    assert {fold_of[name] == fold for name, fold in zip(without.split.fnames, without.fold_of, strict=True)} == {True}
    with pytest.raises(KernelError, match=r"another training \(clips differ\)"):
        train(settings(training_data, out, folds=(0,)))
    with pytest.raises(KernelError, match=r"other clips of .* could be used"):
        score_weights(training_data, out)


def test_a_recipe_that_was_changed_does_not_go_on_from_weights_of_its_name(first_fold: tuple[Path, Path]) -> None:
    data, out = first_fold
    changed = replace(SILVER, augmentation=replace(SILVER.augmentation, masks=2))
    with pytest.raises(KernelError, match=r"another training \(settings differ\).*--again"):
        train(settings(data, out, folds=(1,), recipe=changed))


def test_the_trained_network_gives_the_kernel_what_it_gave_in_training(first_fold: tuple[Path, Path]) -> None:
    _, out = first_fold
    member = read_manifest(out).members[0]
    loaded = load_member(out, member, len(LABELS), torch.device("cpu"))
    assert (loaded.mean, loaded.std) == (member.mean, member.std)
    assert loaded.frontend == SMALL_FRONTEND
    assert loaded.config == TINY.model(len(LABELS))


def test_a_data_set_without_a_noisy_split_trains_on_the_curated_clips_alone(
    training_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "without noisy clips"
    shutil.copytree(training_data, data, symlinks=True)
    (data / "train_noisy.csv").unlink()
    members = train(settings(data, tmp_path / "weights", folds=(0,)))
    assert [member.stage for member in members] == ["curated", "noisy"]
    assert "there is no train_noisy.csv" in capsys.readouterr().out
    write_report(data, tmp_path / "weights")
    assert "from the curated clips alone" in (tmp_path / "weights" / "report.html").read_text()


def test_clips_that_cannot_be_read_are_named_and_left_out(
    training_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(training_data / "train_curated" / "00000005.wav", np.zeros(0, np.float32), 44_100)
    train(settings(training_data, tmp_path / "weights", folds=(0,)))
    assert "00000005.wav: has no samples; left out of the training" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--folds", "9"], "no fold 9"),
        (["--folds", "a"], "fold numbers such as 0,1"),
        (["--recipe", "gold"], "gold"),
        (["--out", "/dev/null"], "not a folder"),
        (["--out", "/dev/null/w", "--folds", "0"], "/dev/null/w/training/fold0.lock: cannot be written"),
        (["--epochs", "-3"], "expected a number of 1 or more"),
        (["--batch-clips", "0"], "expected a number of 1 or more"),
        (["--seed", "-1"], "expected a number from 0"),
        (["--seed", "5000000000"], "expected a number from 0"),
    ],
)
def test_bad_use_is_exit_code_2_and_says_what_is_wrong(
    training_data: Path, arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        exit_code: object = command.main(["train", "--data", str(training_data), *arguments])
    except SystemExit as leaving:  # argparse's way
        exit_code = leaving.code
    assert exit_code == 2
    assert word in capsys.readouterr().err


def test_a_folder_whose_readme_is_of_something_else_is_no_weights_folder(
    training_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "project" / "README.md"
    readme.parent.mkdir()
    readme.write_text("# My project\n")
    told = ["train", "--data", str(training_data), "--size", "demo", "--folds", "0", "--out", str(readme.parent)]
    assert command.main(told) == 2
    assert f"{readme}: is there, and no weights are; the model card would go there" in capsys.readouterr().err
    assert list(readme.parent.iterdir()) == [readme]


def test_bad_input_to_the_command_itself_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    told = [sys.executable, "-m", "train_offline", "train", "--data", str(tmp_path / "nowhere")]
    done = subprocess.run(told, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{tmp_path / 'nowhere'}: no such folder")
    assert done.stderr.count("\n") == 1


def test_evaluate_refuses_data_that_the_weights_are_not_from(first_fold: tuple[Path, Path]) -> None:
    data, weights = first_fold
    table = data / "train_curated.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(KernelError, match="trained on other clips"):
        score_weights(data, weights)


def test_evaluate_needs_to_know_of_how_many_folds_the_weights_are(first_fold: tuple[Path, Path]) -> None:
    data, weights = first_fold
    manifest = read_manifest(weights)
    created_with = {key: value for key, value in manifest.created_with.items() if key != "n_folds"}
    write_manifest(weights, replace(manifest, created_with=created_with))
    with pytest.raises(KernelError, match="does not say which folds these are"):
        score_weights(data, weights)


def test_evaluate_prints_each_label_and_the_whole(
    first_fold: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = first_fold
    assert command.main(["evaluate", "--data", str(data), "--weights", str(out)]) == 0
    printed = capsys.readouterr().out
    assert all(label in printed for label in LABELS)
    for member in read_manifest(out).members:
        assert f"{member.id}: lwlrap {member.oof_lwlrap:.4f}" in printed
    assert "over 8 clips of 1 of 3 folds, 95 % bootstrap interval" in printed


def test_labels_that_no_scored_clip_has_are_told_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    score = OutOfFoldScore(
        members={},
        folds="3 of 3 folds",
        lwlrap=0.5,
        interval=(0.4, 0.6),
        labels=("Bark", "Nothing", "Meow"),
        per_label=np.array([0.9, np.nan, 0.2]),
        counts=np.array([3, 0, 4]),
        fnames=(),
        truth=np.zeros((0, 3), np.bool_),
        probabilities=np.zeros((0, 3)),
    )
    monkeypatch.setattr(out_of_fold, "score_weights", lambda *_: score)
    assert command.main(["evaluate", "--data", str(tmp_path)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:3]] == ["Meow", "Bark", "Nothing"]


def test_copies_of_one_sound_are_no_data_to_draw_folds_from(training_data: Path, tmp_path: Path) -> None:
    clips = sorted((training_data / CURATED).iterdir())
    for clip in clips[1:]:
        clip.write_bytes(clips[0].read_bytes())
    with pytest.raises(KernelError, match=r"fold \d has no clips to be scored on, or none to learn from"):
        train(settings(training_data, tmp_path / "weights"))


def test_clips_that_cannot_be_used_do_not_count_as_data(training_data: Path, tmp_path: Path) -> None:
    for clip in sorted((training_data / CURATED).iterdir())[4:]:
        clip.write_text("no sound")
    with pytest.raises(KernelError, match="4 usable clips are too few for 3 folds"):
        train(settings(training_data, tmp_path / "weights"))


def test_a_training_leaves_what_a_report_needs(training_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights"
    members = train(settings(training_data, out, folds=(0, 1)))
    for member in members:
        entries = [json.loads(line) for line in (out / "training" / f"{member.id}.jsonl").read_text().splitlines()]
        assert [entry["epoch"] for entry in entries] == list(range(1, len(entries) + 1))
        assert {"stage", "step", "loss", "learning_rate", "seconds_s", "clips_per_s"} <= set(entries[0])
        assert "val_lwlrap" in entries[-1]
        assert member.pass_cost is not None
    picks = json.loads((out / "training" / "picks-fold0.json").read_text())
    assert all(set(pick) == {"fname", "label", "score"} for pick in picks)
    oof = np.load(out / "training" / "oof.npz")
    assert len(set(oof["fnames"])) == len(oof["fnames"]) == len(oof["probabilities"]) == 16
    assert oof["labels"].tolist() == list(LABELS)
    score = score_weights(training_data, out)
    assert lwlrap(oof["targets"], oof["probabilities"]) == pytest.approx(score.lwlrap)
    assert score.interval[0] <= score.lwlrap <= score.interval[1]
    assert not list((out / "training").glob("*.checkpoint"))


def test_a_stage_that_is_only_a_step_on_the_way_is_kept_but_no_member(training_data: Path, tmp_path: Path) -> None:
    curated, noisy = SILVER.stages
    recipe = replace(SILVER, stages=(replace(curated, exported=False), noisy))
    out = tmp_path / "weights"
    for _ in range(2):
        members = train(settings(training_data, out, folds=(0,), recipe=recipe))
        assert [member.id for member in members] == ["fold0-noisy"]
    assert (out / "training" / "fold0-curated.safetensors").exists()
    assert [path.name for path in out.glob("*.safetensors")] == ["fold0-noisy.safetensors"]


def test_clips_that_are_known_to_be_bad_are_left_out(
    training_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known_bad = f"{min(NO_SIGNAL)}.wav"
    for name, old in (("train_curated", "00000005.wav"), ("train_noisy", f"{105:08x}.wav")):
        (training_data / name / old).rename(training_data / name / known_bad)
        table = training_data / f"{name}.csv"
        table.write_text(table.read_text().replace(old, known_bad))
    train(settings(training_data, tmp_path / "weights", folds=(0, 1, 2)))
    printed = capsys.readouterr().err
    assert "train_curated: 1 clips that are known to be bad are left out" in printed
    assert "train_noisy: 1 clips" in printed
    oof = np.load(tmp_path / "weights" / "training" / "oof.npz")
    assert len(oof["fnames"]) == 23
    assert known_bad not in oof["fnames"]
