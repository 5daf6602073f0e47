import io
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kernel_src.blend import Blend
from kernel_src.budget import TimeBudget
from kernel_src.clips import ClipList
from kernel_src.events import EventLog
from kernel_src.submission import Submission
from kernel_src.writer import SubmissionWriter, WritingSchedule, WritingThread

LABELS = ("Bark", "Meow")


class Clock:
    """Time that passes only when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> TimeBudget:
    return TimeBudget(1000, 10, clock)


def make_writer(folder: Path, budget: TimeBudget) -> SubmissionWriter:
    clips = ClipList(("a.wav", "b.wav"), LABELS, folder)
    events = EventLog(None, budget.elapsed_s, io.StringIO())
    return SubmissionWriter(Submission(folder, clips), Blend(2, [0.5, 0.5]), budget, events)


def test_a_slow_write_makes_the_reserve_larger(
    tmp_path: Path, clock: Clock, budget: TimeBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_writer(tmp_path, budget)
    write = Submission.write

    def slow(*arguments: object) -> bool:
        clock.now_s += 5
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Submission, "write", slow)
    before_s = budget.reserve_s
    writer.write(1)
    assert budget.reserve_s == before_s - 4 * 0.25 + 4 * 5


def test_a_full_disk_is_an_event_and_no_fault(
    tmp_path: Path, budget: TimeBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_writer(tmp_path, budget)
    writer.write(0)
    before = (tmp_path / "submission.csv").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kernel_src.submission._write_durably", full)
    writer.blend.add([0], np.ones((1, 2), np.float32))
    writer.write(1)
    assert (tmp_path / "submission.csv").read_bytes() == before


def test_the_last_write_does_not_wait_for_one_that_hangs(
    tmp_path: Path, budget: TimeBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make_writer(tmp_path, budget)
    writer.blend.add([0], np.ones((1, 2), np.float32))
    stuck, go_on = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        stuck.set()
        go_on.wait(20)

    monkeypatch.setattr("kernel_src.submission._write_durably", hang)
    thread = threading.Thread(target=writer.write, args=(1,), daemon=True)
    thread.start()
    stuck.wait(10)
    writer.write_last()
    assert thread.is_alive()
    monkeypatch.undo()
    go_on.set()


@pytest.mark.parametrize(
    ("last_write_s", "pause_s"), [(0.0, 0.0), (0.1, 5.0), (3.0, 20.0)], ids=["free", "cheap", "dear"]
)
def test_passes_are_written_as_often_as_writing_is_cheap(
    budget: TimeBudget, clock: Clock, last_write_s: float, pause_s: float
) -> None:
    asked: list[int] = []
    schedule = WritingSchedule(budget, asked.append)
    budget.note_write(last_write_s)
    clock.now_s = max(0.0, pause_s - 0.1)
    schedule.pass_ended(1)
    assert asked == ([] if pause_s else [1])
    clock.now_s = pause_s + 0.1
    schedule.pass_ended(2)
    assert asked[-1] == 2


def test_a_long_pass_is_written_in_its_midst(budget: TimeBudget, clock: Clock) -> None:
    asked: list[int] = []
    schedule = WritingSchedule(budget, asked.append)
    for second in range(100):
        clock.now_s = float(second)
        schedule.looks_delivered(0)
    assert len(asked) == 4


def play(write: Callable[[int], object], asks: int) -> bool:
    thread = WritingThread(write)
    for passes in range(asks):
        thread.ask(passes)
    return thread.finish(asks, timeout_s=10)


def test_a_writing_thread_ends_with_the_newest() -> None:
    written: list[int] = []
    assert play(written.append, 50)
    assert written[-1] == 50
    assert written == sorted(written)


def test_a_write_that_hangs_holds_nobody_up() -> None:
    go_on = threading.Event()
    thread = WritingThread(lambda _: go_on.wait(20))
    thread.ask(1)
    thread.ask(2)
    assert not thread.finish(3, timeout_s=0.05)
    go_on.set()


def test_a_fault_of_our_own_in_a_write_is_raised_at_the_end() -> None:
    def fail(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        play(fail, 1)
