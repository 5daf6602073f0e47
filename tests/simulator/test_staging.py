"""The test set of a rehearsal: another size, and with faults in it."""

import csv
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel_src.errors import KernelError
from kernel_src.limits import KernelLimits
from simulator.faults import Fault, FaultKind
from simulator.settings import CompetitionData, Rehearsal
from simulator.staging import stage_inputs
from simulator.submission_check import read_table

IN_PLACE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)


@pytest.fixture
def rehearsal(scored_data: Path, tmp_path: Path) -> Rehearsal:
    limits = KernelLimits(time_s=60, memory_bytes=10**9, disk_bytes=10**8)
    return Rehearsal(Path("kernel.py"), tmp_path / "run", limits, data=CompetitionData(scored_data, "contest"))


def test_a_test_set_as_it_is_is_shown_where_it_lies(rehearsal: Rehearsal, tmp_path: Path, data: Path) -> None:
    staged = stage_inputs(rehearsal, tmp_path / "staged")
    assert staged.paths == {
        "contest/sample_submission.csv": data / "sample_submission.csv",
        "contest/test": data / "test",
    }
    assert not (tmp_path / "staged").exists()


@given(count=st.integers(0, 20), seed=st.integers(0, 3))
@IN_PLACE
def test_any_number_of_clips_can_be_had(
    rehearsal: Rehearsal, tmp_path_factory: pytest.TempPathFactory, count: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("staged")
    staged = stage_inputs(replace(rehearsal, clips=count, seed=seed), folder)
    names = read_table(staged.paths["contest/sample_submission.csv"]).names
    assert len(set(names)) == count
    assert sorted(names) == sorted(path.name for path in staged.paths["contest/test"].iterdir())
    assert staged.truth == dict.fromkeys(names, frozenset({"Moo"}))
    again = stage_inputs(replace(rehearsal, clips=count, seed=seed), folder / "again")
    assert read_table(again.paths["contest/sample_submission.csv"]).names == names


def test_repeated_clips_are_copies_under_other_names(rehearsal: Rehearsal, tmp_path: Path, data: Path) -> None:
    staged = stage_inputs(replace(rehearsal, clips=12), tmp_path / "staged")
    clips = sorted(staged.paths["contest/test"].iterdir())
    originals = [path.read_bytes() for path in sorted((data / "test").iterdir())]
    assert sorted(path.read_bytes() for path in clips) == sorted(originals * 2)


def test_damaged_and_hanging_clips_are_named_and_the_folder_stays_whole(
    rehearsal: Rehearsal, tmp_path: Path, data: Path
) -> None:
    before = {path.name: path.read_bytes() for path in (data / "test").iterdir()}
    faults = (Fault(FaultKind.DAMAGED_CLIP, 2), Fault(FaultKind.HANGING_CLIP, 1))
    staged = stage_inputs(replace(rehearsal, faults=faults), tmp_path / "staged")
    test = staged.paths["contest/test"]
    pipes = {path.name for path in test.iterdir() if stat.S_ISFIFO(path.stat().st_mode)}
    changed = {name for name in before if name not in pipes and (test / name).read_bytes() != before[name]}
    assert (len(pipes), len(changed)) == (1, 2)
    assert staged.unusable == pipes | changed
    assert {path.name: path.read_bytes() for path in (data / "test").iterdir()} == before


def test_a_damaged_fold_is_a_short_copy_and_the_others_stay(rehearsal: Rehearsal, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    for name in ("manifest.json", "fold0.safetensors", "fold1.safetensors"):
        (weights / name).write_bytes(os.urandom(1000))
    faults = (Fault(FaultKind.DAMAGED_FOLD, 1),)
    staged = stage_inputs(replace(rehearsal, datasets={"me/weights": weights}, faults=faults), tmp_path / "staged")
    sizes = sorted(path.stat().st_size for path in staged.paths["weights"].iterdir())
    assert sizes == [400, 1000, 1000]
    assert all(path.stat().st_size == 1000 for path in weights.iterdir())


def test_a_repeated_clip_takes_no_name_that_another_one_has(rehearsal: Rehearsal, tmp_path: Path, data: Path) -> None:
    table = data / "sample_submission.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("00000001", "00000000_1"), encoding="utf-8")
    (data / "test" / "00000001.wav").rename(data / "test" / "00000000_1.wav")
    staged = stage_inputs(replace(rehearsal, clips=18), tmp_path / "staged")
    names = read_table(staged.paths["contest/sample_submission.csv"]).names
    assert len(set(names)) == 18
    contents = [path.read_bytes() for path in staged.paths["contest/test"].iterdir()]
    originals = [path.read_bytes() for path in (data / "test").iterdir()]
    assert sorted(contents) == sorted(originals * 3)


def test_a_clip_whose_file_is_missing_stays_missing_and_none_of_the_damaged(
    rehearsal: Rehearsal, tmp_path: Path, data: Path
) -> None:
    gone = {"00000000.wav", "00000003.wav", "00000005.wav"}
    for name in gone:
        (data / "test" / name).unlink()
    faults = (Fault(FaultKind.DAMAGED_CLIP, 2), Fault(FaultKind.HANGING_CLIP, 9))
    staged = stage_inputs(replace(rehearsal, faults=faults), tmp_path / "staged")
    there = {f"{index:08x}.wav" for index in range(6)} - gone
    assert {path.name for path in staged.paths["contest/test"].iterdir()} == there
    assert staged.unusable == there


def test_clips_can_be_damaged_only_where_there_are_some(rehearsal: Rehearsal, tmp_path: Path) -> None:
    faults = (Fault(FaultKind.HANGING_CLIP, 1),)
    with pytest.raises(KernelError, match="--fault hanging-clip: there is no test set; give its folder as --data"):
        stage_inputs(replace(rehearsal, data=None, faults=faults), tmp_path / "staged")


def test_only_links_that_lead_out_of_an_input_make_a_copy_of_it(rehearsal: Rehearsal, tmp_path: Path) -> None:
    weights, blobs = tmp_path / "weights", tmp_path / "blobs"
    (weights / "deep").mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1234").write_text("content", encoding="utf-8")
    (weights / "deep" / "file").write_text("more", encoding="utf-8")
    (weights / "beside").symlink_to("deep/file")
    (weights / "gone").symlink_to(tmp_path / "nowhere")
    wanted = replace(rehearsal, data=None, datasets={"me/weights": weights})
    staged = stage_inputs(wanted, tmp_path / "staged")
    assert (staged.paths, staged.originals) == ({"weights": weights}, ())
    (weights / "deep" / "out").symlink_to("../../blobs/1234")
    staged = stage_inputs(wanted, tmp_path / "staged again")
    shown = staged.paths["weights"]
    assert [(shown / name).read_text() for name in ("beside", "deep/file", "deep/out")] == ["more", "more", "content"]
    assert staged.originals == (blobs, weights / "deep")
    assert all(path.is_dir() or path.readlink().is_absolute() for path in shown.rglob("*"))


@pytest.mark.parametrize("missing", ["sample_submission.csv", "test"])
def test_what_is_missing_is_named(missing: str, rehearsal: Rehearsal, tmp_path: Path, data: Path) -> None:
    (data / missing).rename(data / "elsewhere")
    with pytest.raises(KernelError, match=f"{missing} is missing"):
        stage_inputs(rehearsal, tmp_path / "staged")


def test_the_truth_must_have_the_competitions_layout(rehearsal: Rehearsal, tmp_path: Path, data: Path) -> None:
    with (data / "test.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["clip", "tags"], ["a.wav", "Moo"]])
    with pytest.raises(KernelError, match="expected fname,labels"):
        stage_inputs(rehearsal, tmp_path / "staged")


@pytest.mark.parametrize(
    ("row", "words"),
    [("00000001.wav,", "has no labels"), ("00000001.wav", "has no labels"), ("00000001.wav,Quack", "names .'Quack'.")],
)
def test_a_truth_that_could_not_be_scored_is_refused_before_the_run(
    row: str, words: str, rehearsal: Rehearsal, tmp_path: Path, data: Path
) -> None:
    truth = data / "test.csv"
    truth.write_text(truth.read_text(encoding="utf-8").replace("00000001.wav,Moo", row), encoding="utf-8")
    with pytest.raises(KernelError, match=words):
        stage_inputs(rehearsal, tmp_path / "staged")


def test_clips_of_a_given_mean_are_shown_with_their_truth(
    rehearsal: Rehearsal, competition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = [path.name for path in (competition / "test").iterdir()]
    (competition / "test.csv").write_text("fname,labels\n" + "".join(f"{name},Meow\n" for name in names), "utf-8")
    wanted = replace(rehearsal, data=CompetitionData(competition, "contest"), clips=12, mean_duration_s=2.0)
    staged = stage_inputs(wanted, tmp_path / "staged")
    clips = sorted(staged.paths["contest/test"].iterdir())
    assert sum(soundfile.info(path).duration for path in clips) == pytest.approx(12 * 2.0, rel=0.05)
    assert {path.resolve().parent for path in clips} == set(staged.originals)
    assert staged.truth == {path.name: frozenset({"Meow"}) for path in clips}
