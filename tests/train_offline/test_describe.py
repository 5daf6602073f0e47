"""Describing a data set that has one of everything."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser import look_at

from sample_data import LABELS, make_training_data, tone, write_table
from train_offline import command
from train_offline.data_description import company, describe
from train_offline.data_survey import ClipFacts, measure

RATE_HZ = 44_100


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """24 good curated clips, and a noisy split and a test with something wrong."""
    folder = make_training_data(tmp_path / "data")
    noisy, test = folder / "train_noisy", folder / "test"
    shutil.rmtree(noisy)
    noisy.mkdir()
    test.mkdir()
    soundfile.write(noisy / "silent.wav", np.full(RATE_HZ, 0.0005), RATE_HZ)
    soundfile.write(noisy / "clipped.wav", np.clip(5 * tone(2.0, 500), -1, 1), RATE_HZ)
    soundfile.write(noisy / "02f274b2.wav", tone(1.5, 600), RATE_HZ)
    (noisy / "broken.wav").write_bytes(b"RIFF")
    first, rate_hz = soundfile.read(folder / "train_curated" / "00000001.wav")
    soundfile.write(noisy / "copy.wav", np.concatenate([np.zeros(777), first, np.zeros(50)]), rate_hz)
    rows = [f"{path.name},{LABELS[0]}" for path in sorted(noisy.iterdir())]
    write_table(folder / "train_noisy.csv", ["fname,labels", *rows])
    soundfile.write(test / "ffffffff.flac", first, rate_hz)
    write_table(
        folder / "sample_submission.csv", ["fname," + ",".join(LABELS), "ffffffff.flac,0,0,0", "gone.wav,0,0,0"]
    )
    return folder


def test_each_clip_that_is_no_good_is_found_and_no_other(data: Path) -> None:
    found = {(item.split, item.fname): (item.kind, item.detail) for item in describe(data).findings}
    assert {place: kind for place, (kind, _) in found.items()} == {
        ("train_noisy", "silent.wav"): "silent",
        ("train_noisy", "clipped.wav"): "clipped",
        ("train_noisy", "02f274b2.wav"): "known bad",
        ("train_noisy", "broken.wav"): "unreadable",
        ("train_noisy", "copy.wav"): "copy",
        ("test", "ffffffff.flac"): "copy",
        ("test", "gone.wav"): "unreadable",
    }
    assert found["train_noisy", "copy.wav"][1] == "of 00000001.wav in train_curated, labelled Meow"
    assert found["test", "ffffffff.flac"][1] == "of 00000001.wav in train_curated"
    assert found["test", "gone.wav"][1] == "the file is missing"
    assert found["train_noisy", "broken.wav"][1] == "cannot be decoded (Format not recognised)"


def test_a_clip_is_measured(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.stack([tone(2.0), tone(2.0)], axis=1), 22_050)
    facts = measure(tmp_path / "a.wav")
    assert (facts.seconds_s, facts.rate_hz, facts.channels) == (4.0, 22_050, 2)
    assert facts.peak == pytest.approx(np.abs(tone(2.0)).max(), abs=1e-3)
    assert (facts.is_silent, facts.is_clipped, facts.failure) == (False, False, "")


def test_samples_without_a_header_cannot_be_read_and_end_no_survey(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(1000))
    assert measure(tmp_path / "a.raw").failure.startswith("cannot be decoded")


@pytest.mark.parametrize(("run", "share"), [(2, 0), (3, 3e-3), (50, 5e-2)])
def test_only_runs_at_full_scale_are_clipping(tmp_path: Path, run: int, share: float) -> None:
    waveform = np.full(1000, 0.1)
    waveform[200 : 200 + run] = -1
    soundfile.write(tmp_path / "a.wav", waveform, RATE_HZ)
    assert measure(tmp_path / "a.wav").clipped_share == pytest.approx(share)


def test_company_counts_clips_with_both_labels() -> None:
    targets = np.array([[True, True, False], [True, True, True], [False, False, True]])
    assert company(targets).tolist() == [[0, 2, 1], [2, 0, 1], [1, 1, 0]]


def test_the_command_sums_up_and_draws(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert command.main(["describe", str(data), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "train_curated  24" in printed
    assert "silent: train_noisy/silent.wav (loudest sample 0.00049)" in printed
    seen = look_at(out, tmp_path)
    assert [drawing["title"] for drawing in seen["drawings"]] == [
        "durations of train_curated",
        "durations of train_noisy",
        "durations of test",
        "clips with each label in train_curated",
        "pairs of labels in train_curated",
        "company of the labels in train_curated",
        "clips with each label in train_noisy",
    ]
    assert all(drawing["shapes"] for drawing in seen["drawings"] if not drawing["title"].startswith("company"))
    assert seen["fetched"] == []
    assert not seen["wide"]


def test_bad_use_is_one_line_and_exit_code_2(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["nowhere"], "nowhere: no such folder"),
        ([str(data), "--out", str(tmp_path / "no" / "page.html")], "there is no folder"),
        ([str(data), "--out", str(tmp_path)], "is a folder; give the page a name"),
    ):
        assert command.main(["describe", *arguments]) == 2
        assert words in capsys.readouterr().err


def test_a_table_of_the_competitions_size_is_summed_up_and_drawn_in_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from train_offline import data_description
    from train_offline.data_report import data_report_page

    rng = np.random.default_rng(0)
    labels = [f"Label_{number}" for number in range(80)]
    names = [f"{number:08x}.wav" for number in range(20_000)]
    (tmp_path / "train_noisy").mkdir()
    for name in names:
        (tmp_path / "train_noisy" / name).touch()
    rows = [f'{name},"{",".join(rng.choice(labels, 2, replace=False))}"' for name in names]
    write_table(tmp_path / "train_noisy.csv", ["fname,labels", *rows])
    write_table(tmp_path / "sample_submission.csv", ["fname," + ",".join(labels)])

    def heard(_name: str, _folder: Path, fnames: list[str]) -> list[ClipFacts]:
        return [ClipFacts(name, 15.0, RATE_HZ, 1, 0.5, 0.001, str(hash(name) % 19_000)) for name in fnames]

    monkeypatch.setattr(data_description, "survey", heard)
    began_s = time.process_time()
    page = data_report_page(describe(tmp_path))
    assert time.process_time() - began_s < 15
    assert len(page) < 10_000_000
