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
    ],
)
def test_a_table_that_cannot_be_used_says_where_and_what(training_data: Path, rows: list[str], word: str) -> None:
    write_table(training_data / "train_curated.csv", rows)
    with pytest.raises(KernelError, match=word) as caught:
        read_split(training_data, CURATED, LABELS)
    assert "train_curated.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_or_table_is_named(training_data: Path) -> None:
    with pytest.raises(KernelError, match="nowhere"):
        read_vocabulary(training_data / "nowhere")
    (training_data / "train_curated.csv").unlink()
    with pytest.raises(KernelError, match=r"train_curated\.csv"):
        read_split(training_data, CURATED, LABELS)
