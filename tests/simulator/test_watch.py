"""The watchdog: what it sees, and how much of the time it takes for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from kernel_src.limits import KernelLimits
from simulator.submission_history import MOST_KEPT, SubmissionHistory
from simulator.watch import SHARE_OF_TIME, Crossed, Gauges, Paced, Watch

LIMITS = KernelLimits(time_s=10, memory_bytes=1000, disk_bytes=100)
QUIET = Gauges(
    memory_bytes=lambda: 500,
    memory_kills=lambda: 0,
    most_memory_bytes=LIMITS.memory_bytes,
    disk_bytes=lambda: 50,
    outside=frozenset,
)


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds_s: float) -> bool:
        self.now_s += seconds_s
        return False


def watch(tmp_path: Path, gauges: Gauges, clock: Clock) -> Watch:
    return Watch(LIMITS, gauges, clock, SubmissionHistory(tmp_path / "submission.csv", tmp_path / "kept"))


@pytest.mark.parametrize(
    ("gauges", "crossed"),
    [
        (QUIET, None),
        (replace(QUIET, memory_bytes=lambda: 1001), Crossed.MEMORY),
        (replace(QUIET, memory_kills=lambda: 1), Crossed.MEMORY),
        (replace(QUIET, disk_bytes=lambda: 101), Crossed.DISK),
        (replace(QUIET, outside=lambda: frozenset({"192.0.2.1 port 80"})), Crossed.NETWORK),
    ],
)
def test_a_look_names_the_line_that_is_crossed(tmp_path: Path, gauges: Gauges, crossed: Crossed | None) -> None:
    assert watch(tmp_path, gauges, Clock()).look() is crossed


def test_the_time_is_up_at_the_limit_and_not_a_tick_later(tmp_path: Path) -> None:
    clock = Clock()
    looking = watch(tmp_path, QUIET, clock)
    assert looking.until_crossed_or(clock.wait, lambda _: None) is Crossed.TIME
    assert LIMITS.time_s < clock.now_s < LIMITS.time_s + 0.01


def test_a_kill_on_a_machine_with_less_memory_than_the_limit_is_no_reading_of_the_limit(tmp_path: Path) -> None:
    looking = watch(tmp_path, replace(QUIET, memory_kills=lambda: 1, most_memory_bytes=700), Clock())
    assert looking.look() is Crossed.MEMORY
    assert looking.peak_memory_bytes == 700


def test_a_kernel_that_ends_by_itself_crosses_nothing(tmp_path: Path) -> None:
    looking = watch(tmp_path, QUIET, Clock())
    assert looking.until_crossed_or(lambda _: True, lambda _: None) is None
    assert (looking.peak_memory_bytes, looking.peak_disk_bytes) == (500, 50)


def test_a_child_killed_for_memory_at_the_very_end_is_seen(tmp_path: Path) -> None:
    kills = iter([0, 1, 1])
    looking = watch(tmp_path, replace(QUIET, memory_kills=lambda: next(kills)), Clock())
    assert looking.until_crossed_or(lambda _: True, lambda _: None) is Crossed.MEMORY
    assert looking.peak_memory_bytes == LIMITS.memory_bytes


def test_disk_that_was_filled_after_the_last_reading_is_seen_at_the_end(tmp_path: Path) -> None:
    readings = iter([50, 101])
    looking = watch(tmp_path, replace(QUIET, disk_bytes=lambda: next(readings)), Clock())
    assert looking.until_crossed_or(lambda _: True, lambda _: None) is Crossed.DISK
    assert looking.peak_disk_bytes == 101


def test_a_kill_says_that_all_memory_was_in_use_though_no_reading_saw_it(tmp_path: Path) -> None:
    looking = watch(tmp_path, replace(QUIET, memory_kills=lambda: 1), Clock())
    looking.look()
    assert looking.samples[-1].memory_bytes == LIMITS.memory_bytes


@pytest.mark.parametrize("cost_s", [0.0001, 0.002, 0.05])
def test_a_reading_takes_no_more_than_its_share_of_the_time(cost_s: float) -> None:
    clock = Clock()
    reading = Paced(lambda: clock.wait(cost_s), clock=clock)
    spent_s = 0.0
    while clock.now_s < 100:
        begin_s = clock.now_s
        reading.value()
        spent_s += clock.now_s - begin_s
        clock.wait(0.05)
    assert spent_s <= (SHARE_OF_TIME + 0.001) * clock.now_s


def test_two_submissions_close_upon_each_other_are_both_kept(tmp_path: Path) -> None:
    history = SubmissionHistory(tmp_path / "submission.csv", tmp_path / "kept")
    for t_s, text in ((5.001, "the prior"), (5.004, "the first pass, at its end")):
        (tmp_path / "submission.csv").write_text(text, encoding="utf-8")
        history.look(t_s)
    assert [path.read_text(encoding="utf-8") for _, path in history.kept] == ["the prior", "the first pass, at its end"]


def test_a_submission_for_whose_copy_there_is_no_room_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_: Path, copy: Path) -> None:
        copy.write_text("half of", encoding="utf-8")
        raise OSError(28, "No space left on device")

    history = SubmissionHistory(tmp_path / "submission.csv", tmp_path / "kept")
    (tmp_path / "submission.csv").write_text("half of it", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", no_room)
        history.look(1.0)
    assert (history.kept, list((tmp_path / "kept").iterdir())) == ([], [])
    history.look(2.0)
    assert [t_s for t_s, _ in history.kept] == [2.0]


def test_each_new_submission_is_kept_and_the_first_and_last_for_ever(tmp_path: Path) -> None:
    history = SubmissionHistory(tmp_path / "submission.csv", tmp_path / "kept")
    for number in range(4 * MOST_KEPT):
        part = tmp_path / "part"
        part.write_text(f"version {number}", encoding="utf-8")
        part.replace(tmp_path / "submission.csv")
        history.look(float(number))
        history.look(number + 0.5)
    times_s = [t_s for t_s, _ in history.kept]
    assert times_s[0] == 0
    assert times_s[-1] == 4 * MOST_KEPT - 1
    assert len(times_s) <= MOST_KEPT
    assert sorted(path for _, path in history.kept) == sorted((tmp_path / "kept").iterdir())
    assert history.kept[-1][1].read_text(encoding="utf-8") == f"version {4 * MOST_KEPT - 1}"
