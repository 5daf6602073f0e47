"""The report of a training that really took place, opened in a real browser without a network."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import look_at
from training_settings import TINY

from sample_data import LABELS, make_training_data
from train_offline import command
from train_offline.recipes import SIZES

PICTURES = ("spectrograms with their augmentations", "one clip in decibels beside PCEN")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Data and weights of a tiny training."""
    folder = tmp_path_factory.mktemp("trained")
    data = make_training_data(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, TINY.name, TINY)
        arguments = ["--data", str(data), "--size", TINY.name, "--epochs", "4", "--out", str(folder / "weights")]
        assert command.main(["train", *arguments]) == 0
    return data, folder / "weights"


@pytest.fixture(autouse=True)
def tiny_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, TINY.name, TINY)


def report(data: Path, weights: Path) -> Path:
    assert command.main(["report", "--data", str(data), "--weights", str(weights)]) == 0
    return weights / "report.html"


def test_a_training_ends_with_its_report_and_its_card(trained: tuple[Path, Path]) -> None:
    _, weights = trained
    assert "What is taken for what" in (weights / "report.html").read_text(encoding="utf-8")
    assert "| fold2-noisy | 2 | noisy | 0." in (weights / "README.md").read_text(encoding="utf-8")
    assert {folder.name for folder in (weights / "training" / "tensorboard").iterdir()} == {
        f"fold{fold}-{stage}" for fold in range(3) for stage in ("curated", "noisy")
    }


def test_a_members_seconds_are_those_of_its_last_epoch_which_counts_from_the_beginning(
    trained: tuple[Path, Path],
) -> None:
    data, weights = trained
    log = weights / "training" / "fold1-noisy.jsonl"
    kept = log.read_text()
    epochs = [json.loads(line) for line in kept.splitlines()]
    lines = [json.dumps({**epochs[0], "epoch": number, "seconds_s": 1000.0 * number}) for number in (1, 2, 3)]
    log.write_text("\n".join(lines))
    try:
        text = report(data, weights).read_text(encoding="utf-8")
    finally:
        log.write_text(kept)
    assert re.search(r">\s*3,000\s*<", text)
    assert not re.search(r">\s*6,000\s*<", text)


def test_the_epochs_of_stages_that_are_no_members_are_told_too(trained: tuple[Path, Path]) -> None:
    data, weights = trained
    text = report(data, weights).read_text(encoding="utf-8")
    assert re.search(r"and no members: fold0-curated, 4 epochs in \d+ s; fold1-curated, 4 epochs in", text)
    assert "<td>epochs of the first stage</td><td>4</td>" in text
    assert "<td>clips</td>" not in text


def test_data_that_the_weights_are_not_from_are_refused(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_training_data(tmp_path / "other")
    table = other / "train_curated.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert command.main(["report", "--data", str(other), "--weights", str(trained[1])]) == 2
    assert "was trained on other clips" in capsys.readouterr().err


def test_the_drawings_are_seen_in_a_browser_and_nothing_is_fetched(trained: tuple[Path, Path], tmp_path: Path) -> None:
    data, weights = trained
    seen = look_at(report(data, weights), tmp_path)
    assert [drawing["title"] for drawing in seen["drawings"]] == [
        "loss over the epochs",
        "validation lwlrap over the epochs",
        "learning rate over the epochs",
        "lwlrap over the views",
        "out-of-fold lwlrap of each label",
        "picks from the noisy set for each label",
        "the worst confusions",
        "confusions of all labels",
        *PICTURES,
    ]
    for drawing in seen["drawings"]:
        folded = drawing["title"] == "confusions of all labels"
        assert folded or min(drawing["size"]) > 50
        assert drawing["shapes"] or folded or drawing["title"] in PICTURES
    assert len(seen["pictures"]) == 2 * 6 + 2  # two clips with different labels, as they are and after five steps
    assert all(picture["isPng"] and min(picture["size"]) > 50 for picture in seen["pictures"])
    assert seen["fetched"] == []
    assert not seen["wide"]


def test_the_page_says_what_is_known_and_what_is_not(trained: tuple[Path, Path]) -> None:
    data, weights = trained
    page = report(data, weights).read_text(encoding="utf-8")
    score = re.search(r"out-of-fold lwlrap (0\.\d+), between (0\.\d+) and ([01]\.\d+)", page)
    assert score is not None
    value, low, high = map(float, score.groups())
    assert low < value < high
    assert "over 24 clips of 3 of 3 folds that the networks had not seen" in page
    assert all(label in page for label in LABELS)
    assert not re.findall(r"(?:src|url|@import)\s*[=(]", page)
    assert set(re.findall(r"https?://[^\s\"<]+", page)) == {"http://www.w3.org/2000/svg"}


def test_the_page_and_the_command_give_one_score_one_interval(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, weights = trained
    page = report(data, weights).read_text(encoding="utf-8")
    assert command.main(["evaluate", "--data", str(data), "--weights", str(weights)]) == 0
    ends = re.search(r"interval (0\.\d+) to ([01]\.\d+)", capsys.readouterr().out)
    assert ends is not None
    assert f"between {float(ends[1]):.3f} and {float(ends[2]):.3f} in 95 % of resamples" in page


def test_no_score_is_called_good_or_bad(trained: tuple[Path, Path]) -> None:
    page = report(*trained).read_text(encoding="utf-8")
    assert '<p class="banner">out-of-fold lwlrap' in page


def test_a_training_that_confuses_nothing_twice_says_so_instead_of_an_empty_chart(trained: tuple[Path, Path]) -> None:
    data, weights = trained
    kept = dict(np.load(weights / "training" / "oof.npz"))
    try:
        np.savez(weights / "training" / "oof.npz", **{**kept, "probabilities": kept["targets"].astype(np.float64)})
        page = report(data, weights).read_text(encoding="utf-8")
    finally:
        np.savez(weights / "training" / "oof.npz", **kept)
    assert "None: no wrong label is ranked above a right one in two clips or more." in page
    assert "the worst confusions" not in page


def test_data_that_is_not_there_is_one_line_and_exit_code_2(
    trained: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["report", "--data", "nowhere", "--weights", str(trained[1])]) == 2
    assert capsys.readouterr().err.count("\n") == 1
