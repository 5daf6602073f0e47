import contextlib
import csv
import subprocess
import threading
from pathlib import Path

import pytest

from kernel_src.clips import ClipList
from kernel_src.errors import KernelError
from kernel_src.submission import Submission

CLIPS = ClipList(fnames=("b.wav", "a,b.wav"), labels=("Bark", "Meow"), folder=Path())


def read(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_it_has_a_row_for_each_clip_and_a_column_for_each_label(tmp_path: Path) -> None:
    Submission(tmp_path, CLIPS).write([[0.25, 0.5], [1, 0]], version=0)
    header, *rows = read(tmp_path / "submission.csv")
    assert header == ["fname", "Bark", "Meow"]
    assert [(row[0], *map(float, row[1:])) for row in rows] == [("b.wav", 0.25, 0.5), ("a,b.wav", 1, 0)]


def test_rows_may_be_one_and_the_same_for_some_clips(tmp_path: Path) -> None:
    clips = ClipList(fnames=("a", "b", "c", "d"), labels=("Bark", "Meow"), folder=Path())
    prior, tagged = [0.25, 0.5], [1.0, 0.0]
    Submission(tmp_path, clips).write([prior, prior, tagged, prior], version=0)
    rows = read(tmp_path / "submission.csv")[1:]
    assert [[float(value) for value in row[1:]] for row in rows] == [prior, prior, tagged, prior]


def test_neighbouring_doubles_stay_apart_in_the_file(tmp_path: Path) -> None:
    values = [0.9999999999999998, 0.9999999999999999]
    Submission(tmp_path, CLIPS).write([values, values], version=0)
    assert [float(value) for value in read(tmp_path / "submission.csv")[1][1:]] == values


def test_a_late_writer_cannot_bring_back_an_older_submission(tmp_path: Path) -> None:
    submission = Submission(tmp_path, CLIPS)
    assert submission.write([[1, 1], [1, 1]], version=2)
    assert not submission.write([[0, 0], [0, 0]], version=1)
    assert float(read(tmp_path / "submission.csv")[1][1]) == 1


def test_a_reader_never_sees_half_a_submission(tmp_path: Path) -> None:
    submission = Submission(tmp_path, CLIPS)
    submission.write([[0, 0], [0, 0]], version=0)
    stop = threading.Event()
    seen: list[int] = []

    def watch() -> None:
        while not stop.is_set():
            seen.append(len(read(tmp_path / "submission.csv")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for version in range(1, 100):
        submission.write([[version, 0], [0, version]], version)
    stop.set()
    watcher.join()
    assert set(seen) == {3}


@pytest.mark.parametrize("rows", [[[0.1, float("nan")], [0, 0]], [[0.1], [0, 0]], [[float("inf"), 0], [0, 0]]])
def test_values_that_kaggle_would_refuse_are_never_written(tmp_path: Path, rows: list[list[float]]) -> None:
    with pytest.raises(KernelError, match=r"b\.wav must be 2 finite numbers"):
        Submission(tmp_path, CLIPS).write(rows, version=0)
    assert not list(tmp_path.iterdir())


def test_a_write_that_hangs_does_not_hold_up_the_last_one(tmp_path: Path) -> None:
    submission = Submission(tmp_path, CLIPS)
    with submission._lock:  # as a writer on a stalled disk has it
        assert not submission.write([[0, 0], [0, 0]], version=1, lock_timeout_s=0.01)


def test_a_disk_that_refuses_leaves_the_old_submission_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submission = Submission(tmp_path, CLIPS)
    submission.write([[1, 1], [1, 1]], version=0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        submission.write([[0, 0], [0, 0]], version=1)
    assert float(read(tmp_path / "submission.csv")[1][1]) == 1
    submission.remove_spare()
    assert [path.name for path in tmp_path.iterdir()] == ["submission.csv"]


def test_a_file_system_that_links_no_files_takes_every_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    submission = Submission(tmp_path, CLIPS)
    for version in range(4):
        assert submission.write([[0.1 * version, 0.5]] * 2, version)
        assert float(read(tmp_path / "submission.csv")[1][1]) == pytest.approx(0.1 * version)


@pytest.mark.root
def test_a_disk_that_others_have_filled_still_takes_every_later_version(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False, capture_output=True
    ).returncode:
        pytest.skip("needs root and leave to mount a small file system")
    try:
        clips = ClipList(tuple(f"{clip}.wav" for clip in range(1000)), ("Bark", "Meow"), disk)
        submission = Submission(disk, clips)
        submission.write([[0.5, 0.5]] * 1000, version=0)
        with contextlib.suppress(OSError), (disk / "others").open("wb") as others:
            while True:
                others.write(bytes(4096))
                others.flush()
        for version in range(1, 6):
            assert submission.write([[0.1 * version, 0.5]] * 1000, version)
            assert float(read(disk / "submission.csv")[1000][1]) == pytest.approx(0.1 * version)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_kill_between_two_renames_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submission = Submission(tmp_path, CLIPS)
    submission.write([[0.1, 0.1]] * 2, version=0)
    with monkeypatch.context() as killed:
        killed.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(5, "killed")))
        with pytest.raises(OSError, match="killed"):
            submission.write([[0.2, 0.2]] * 2, version=1)
    assert float(read(tmp_path / "submission.csv")[1][1]) == 0.1
    assert submission.write([[0.3, 0.3]] * 2, version=2)
    assert float(read(tmp_path / "submission.csv")[1][1]) == 0.3
