from pathlib import Path

import pytest

from kernel_src.clips import find_folder, read_clip_list
from kernel_src.errors import KernelError


def write_sample(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sample_submission.csv").write_text(text)
    return folder


def test_clips_and_labels_come_in_the_submissions_order(tmp_path: Path) -> None:
    clips = read_clip_list(write_sample(tmp_path, "fname,Zither,Accordion\nb.wav,0,0\na.wav,0,0\n"))
    assert clips.labels == ("Zither", "Accordion")
    assert clips.fnames == ("b.wav", "a.wav")
    assert clips.path("a.wav") == tmp_path / "test" / "a.wav"


def test_a_table_that_went_through_a_spreadsheet_is_read_all_the_same(tmp_path: Path) -> None:
    clips = read_clip_list(write_sample(tmp_path, "\ufefffname,Bark\r\nb.wav,0\r\n"))
    assert (clips.fnames, clips.labels) == (("b.wav",), ("Bark",))


def test_a_placeholder_without_clips_is_normal(tmp_path: Path) -> None:
    assert read_clip_list(write_sample(tmp_path, "fname,Bark\n")).fnames == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [("", "empty"), ("file,Bark\n", "header"), ("fname,A,A\n", "twice"), ("fname,A\nx,0\nx,0\n", "twice")],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(KernelError, match=word):
        read_clip_list(write_sample(tmp_path, text))


@pytest.mark.parametrize("place", ["my-data", "datasets/me/my-data", "competitions/my-data"])
def test_a_data_source_is_found_wherever_kaggle_mounts_it(tmp_path: Path, place: str) -> None:
    folder = write_sample(tmp_path / place, "")
    write_sample(tmp_path / "another", "")
    assert find_folder(tmp_path, ["me/my-data"], "sample_submission.csv") == folder


def test_a_renamed_data_source_is_found_by_what_is_in_it(tmp_path: Path) -> None:
    folder = write_sample(tmp_path / "datasets" / "me" / "renamed", "")
    assert find_folder(tmp_path, ["me/my-data"], "sample_submission.csv") == folder


@pytest.mark.parametrize("place", ["my-data", "datasets/me/my-data"])
def test_what_was_uploaded_in_a_folder_of_its_own_is_found_wherever_the_data_source_is(
    tmp_path: Path, place: str
) -> None:
    folder = write_sample(tmp_path / place / "weights", "")
    assert find_folder(tmp_path, ["me/my-data"], "sample_submission.csv") == folder


def test_a_folder_that_has_another_inside_is_the_one(tmp_path: Path) -> None:
    inner = tmp_path / "renamed" / "training"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "manifest.json").touch()
    assert find_folder(tmp_path, ["me/my-weights"], "manifest.json") == inner.parent


def test_two_candidates_are_not_guessed_between(tmp_path: Path) -> None:
    write_sample(tmp_path / "one", "")
    write_sample(tmp_path / "two", "")
    with pytest.raises(KernelError, match="several"):
        find_folder(tmp_path, ["me/my-data"], "sample_submission.csv")


def test_a_missing_data_source_says_what_to_attach(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="attach"):
        find_folder(tmp_path / "nowhere", ["me/my-data"], "sample_submission.csv")
