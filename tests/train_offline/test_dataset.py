from pathlib import Path

import pytest

from kernel_src.errors import KernelError
from sample_data import LABELS, write_table
from train_offline.dataset import CURATED, read_split, read_vocabulary


def test_the_vocabulary_comes_from_the_sample_submission(training_data: Path) -> None:
    assert read_vocabulary(training_data) == LABELS


def test_a_split_has_its_clips_and_all_of_their_labels(training_data: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    assert len(split.fnames) == 24
    assert split.targets[0].tolist() == [True, True, False]
    assert split.targets[1].tolist() == [False, True, False]
    assert all(path.is_file() for path in split.paths())


def test_data_that_differ_have_different_digests(training_data: Path) -> None:
    split = read_split(training_data, CURATED, LABELS)
    targets = split.targets.copy()
    targets[3, 2] ^= True
    other = type(split)(split.name, split.fnames, split.folder, split.labels, targets)
    assert split.digest == read_split(training_data, CURATED, LABELS).digest != other.digest


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], "columns fname and labels"),
        (["fname,labels"], "no rows"),
        (["file,tags", "a.wav,Bark"], "columns fname and labels"),
        (["fname,labels", "00000000.wav,Growl"], "line 2: unknown label 'Growl'"),
        (["fname,labels", "00000000.wav,"], "line 2: expected a file name and at least one label"),
        (["fname,labels", "00000000.wav,Bark", "gone.wav,Bark"], "gone.wav"),
        (["fname,labels", "", "00000000.wav,Growl"], "line 3: unknown label 'Growl'"),
        (["fname,labels", "00000000.wav,Bark,Meow"], "line 2: has too many columns; several labels go into quotes"),
        (["fname,labels", "00000000.wav,Bark", "00000000.wav,Meow"], "line 3: 00000000.wav is in line 2 already"),
    ],
)
def test_a_table_that_cannot_be_used_says_where_and_what(training_data: Path, rows: list[str], word: str) -> None:
    write_table(training_data / "train_curated.csv", rows)
    with pytest.raises(KernelError, match=word) as caught:
        read_split(training_data, CURATED, LABELS)
    assert "train_curated.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_empty_is_named(training_data: Path) -> None:
    (training_data / "train_curated.csv").write_bytes(b"")
    with pytest.raises(KernelError, match=r"train_curated\.csv: expected columns fname and labels, got None"):
        read_split(training_data, CURATED, LABELS)


def test_a_missing_folder_or_table_is_named(training_data: Path) -> None:
    with pytest.raises(KernelError, match="nowhere"):
        read_vocabulary(training_data / "nowhere")
    (training_data / "train_curated.csv").unlink()
    with pytest.raises(KernelError, match=r"train_curated\.csv"):
        read_split(training_data, CURATED, LABELS)


def test_a_table_that_went_through_a_spreadsheet_is_read_and_one_in_another_encoding_named(training_data: Path) -> None:
    table = training_data / "train_curated.csv"
    text = table.read_text()
    table.write_text(text, encoding="utf-8-sig")
    assert len(read_split(training_data, CURATED, LABELS).fnames) == 24
    table.write_text(text, encoding="utf-16")
    with pytest.raises(KernelError, match=r"train_curated\.csv: is no csv text in UTF-8"):
        read_split(training_data, CURATED, LABELS)
    (training_data / "sample_submission.csv").write_text("fname,Bellen,Bölken\n", encoding="latin-1")
    with pytest.raises(KernelError, match=r"sample_submission\.csv: is no csv text in UTF-8"):
        read_vocabulary(training_data)


def test_a_link_that_leads_nowhere_is_a_missing_file(training_data: Path) -> None:
    clip = training_data / CURATED / "00000003.wav"
    clip.unlink()
    clip.symlink_to(training_data / "gone.wav")
    with pytest.raises(KernelError, match=r"00000003\.wav"):
        read_split(training_data, CURATED, LABELS)
