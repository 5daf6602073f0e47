import resource
import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from train_offline.tensorboard_files import EpochBoard
from train_offline.training_log import EpochLog


def scalars(folder: Path) -> list[tuple[str, int, float]]:
    """What the records of a TensorBoard file say, read as their format wants: length, check, event, check."""
    (path,) = folder.iterdir()
    content, place, found = path.read_bytes(), 0, []
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        event = Event.FromString(content[place + 12 : place + 12 + length])
        found += [(value.tag, event.step, round(value.simple_value, 6)) for value in event.summary.value]
        place += length + 16
    return found


def entry(epoch: int, **more: float) -> dict[str, float]:
    return {"epoch": epoch, "step": 10 * epoch, "loss": 0.5, "learning_rate": 0.001, **more}


def test_each_epoch_can_be_seen_at_once(tmp_path: Path) -> None:
    board = EpochBoard(tmp_path / "fold0")
    board.add(entry(1))
    assert scalars(tmp_path / "fold0") == [("loss", 1, 0.5), ("learning_rate", 1, 0.001)]
    board.add(entry(2, val_lwlrap=0.75))
    assert scalars(tmp_path / "fold0")[-1] == ("val_lwlrap", 2, 0.75)


def test_a_training_that_goes_on_from_a_checkpoint_shows_no_epoch_twice(tmp_path: Path) -> None:
    log = EpochLog(tmp_path / "fold0-curated.jsonl")
    for epoch in (1, 2, 3):
        log.add(entry(epoch))
    log.restart([entry(1), entry(2)])
    log.add(entry(3, val_lwlrap=0.5))
    shown = scalars(tmp_path / "tensorboard" / "fold0-curated")
    assert [step for tag, step, _ in shown if tag == "loss"] == [1, 2, 3]
    assert shown[-1] == ("val_lwlrap", 3, 0.5)


# The library leaves a file open that it could not flush.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO:pytest.PytestUnraisableExceptionWarning")
def test_a_disk_that_fills_is_said_once_and_not_again_when_the_file_is_closed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = EpochBoard(tmp_path / "fold0")
    board.add(entry(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        board.add(entry(2))
        board.restart([])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert capsys.readouterr().err.count("the training goes on") == 1


def test_a_file_that_cannot_be_written_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fold0").write_text("in the way")
    board = EpochBoard(tmp_path / "fold0" / "deeper")
    board.add(entry(1))
    board.add(entry(2))
    assert capsys.readouterr().err.count("the training goes on") == 1
