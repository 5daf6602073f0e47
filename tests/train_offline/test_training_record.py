import json
from pathlib import Path

import numpy as np
import pytest

from kernel_src.errors import KernelError
from train_offline.training_log import gather_out_of_fold
from train_offline.training_record import OutOfFold, read_training_record


def epoch(number: int, **more: object) -> str:
    values = {"stage": "curated", "epoch": number, "step": 10 * number, "loss": 1 / number, "learning_rate": 0.001}
    return json.dumps({**values, "seconds_s": 2.0, "clips_per_s": 30.0, **more})


def folder(tmp_path: Path) -> Path:
    (tmp_path / "training").mkdir()
    return tmp_path / "training"


def test_weights_without_notes_have_an_empty_record(tmp_path: Path) -> None:
    record = read_training_record(tmp_path)
    assert (dict(record.epochs), dict(record.picks), record.out_of_fold) == ({}, {}, None)


def test_epochs_are_read_by_member_with_what_was_measured(tmp_path: Path) -> None:
    lines = [epoch(1), epoch(2, val_lwlrap=0.5, something_new=[1])]
    (folder(tmp_path) / "fold0-curated.jsonl").write_text("\n".join(lines) + "\n")
    epochs = read_training_record(tmp_path).epochs["fold0-curated"]
    assert [(item.epoch, item.loss, item.val_lwlrap) for item in epochs] == [(1, 1.0, None), (2, 0.5, 0.5)]


def test_a_line_that_the_power_cut_off_is_left_out_and_a_broken_one_before_the_end_is_an_error(tmp_path: Path) -> None:
    path = folder(tmp_path) / "fold0-curated.jsonl"
    path.write_text(epoch(1) + "\n" + epoch(2)[:20])
    assert len(read_training_record(tmp_path).epochs["fold0-curated"]) == 1
    path.write_text(epoch(1)[:20] + "\n" + epoch(2))
    with pytest.raises(KernelError, match=r"fold0-curated\.jsonl, line 1: is no epoch"):
        read_training_record(tmp_path)


def test_a_line_that_is_no_text_is_no_epoch(tmp_path: Path) -> None:
    path = folder(tmp_path) / "fold0-curated.jsonl"
    path.write_bytes(b"\x93\xff\n" + epoch(1).encode())
    with pytest.raises(KernelError, match=r"fold0-curated\.jsonl, line 1: is no epoch"):
        read_training_record(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x93\xff"])
def test_predictions_of_a_fold_that_cannot_be_read_are_named_when_all_are_gathered(
    tmp_path: Path, content: bytes
) -> None:
    path = folder(tmp_path) / "fold0-noisy.oof.npz"
    path.write_bytes(content)
    with pytest.raises(KernelError, match=r"fold0-noisy\.oof\.npz: does not hold .*; take it away"):
        gather_out_of_fold(tmp_path, {"fold0-noisy": 0}, ("Bark", "Meow"))


def test_an_epoch_that_was_done_again_after_an_interruption_counts_once(tmp_path: Path) -> None:
    lines = [epoch(1), epoch(2, loss=9), epoch(2, loss=0.4), epoch(3)]
    (folder(tmp_path) / "fold0-curated.jsonl").write_text("\n".join(lines))
    assert [item.loss for item in read_training_record(tmp_path).epochs["fold0-curated"]] == [1, 0.4, 1 / 3]


def test_picks_are_read_by_fold(tmp_path: Path) -> None:
    rows = [{"fname": "a.wav", "label": "Bark", "score": 0.5}]
    (folder(tmp_path) / "picks-fold10.json").write_text(json.dumps(rows))
    (tmp_path / "training" / "picks-fold2.json").write_text("[]")
    picks = read_training_record(tmp_path).picks
    assert list(picks) == [2, 10]
    assert picks[10][0].label == "Bark"


@pytest.mark.parametrize(
    ("name", "content"), [("picks-fold0.json", '{"fname": 1}'), ("picks-foldx.json", "[]"), ("oof.npz", "no zip")]
)
def test_files_that_are_not_what_they_say_are_named(tmp_path: Path, name: str, content: str) -> None:
    (folder(tmp_path) / name).write_text(content)
    with pytest.raises(KernelError, match=name):
        read_training_record(tmp_path)


def test_out_of_fold_predictions_of_several_networks_are_averaged_by_clip(tmp_path: Path) -> None:
    truth = np.array([[True, False], [False, True], [True, False]])
    said = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    np.savez(folder(tmp_path) / "oof.npz", fnames=["b", "a", "b"], targets=truth, probabilities=said, labels=["X", "Y"])
    found = read_training_record(tmp_path).out_of_fold
    assert isinstance(found, OutOfFold)
    assert (found.fnames, found.labels) == (("a", "b"), ("X", "Y"))
    assert found.probabilities.tolist() == [[3, 4], [3, 4]]
    assert found.truth.tolist() == [[False, True], [True, False]]
