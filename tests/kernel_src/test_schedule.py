import threading
from collections.abc import Callable

from kernel_src.frontend import FrontendConfig
from kernel_src.schedule import Job, Schedule

CONFIG = FrontendConfig()


def job(clip: int) -> Job:
    return Job(clip, CONFIG)


def nothing_is_made(_: Job) -> bool:
    return False


def schedule_of(clips: int, look_ahead: int = 3, is_made: Callable[[Job], bool] = nothing_is_made) -> Schedule:
    schedule = Schedule(look_ahead, is_made)
    schedule.add(CONFIG, range(clips))
    return schedule


def take(schedule: Schedule) -> int:
    taken = schedule.take()
    assert taken is not None
    return taken.clip


def test_clips_are_made_in_their_order_while_the_store_keeps_them() -> None:
    schedule = schedule_of(5)
    taken = []
    for _ in range(5):
        taken.append(take(schedule))
        schedule.finish(job(taken[-1]), refused=False)
    assert taken == [0, 1, 2, 3, 4]


def test_a_clip_that_somebody_waits_for_comes_first_and_only_once() -> None:
    schedule = schedule_of(4)
    schedule.demand(job(2))
    schedule.demand(job(2))
    assert [take(schedule) for _ in range(4)] == [2, 0, 1, 3]


def test_a_clip_that_is_worked_on_is_not_given_to_a_second_thread() -> None:
    schedule = schedule_of(2)
    assert take(schedule) == 0
    schedule.demand(job(0))
    assert take(schedule) == 1


def test_after_a_refusal_only_what_follows_the_last_clip_asked_for_is_made() -> None:
    schedule = schedule_of(100, is_made=lambda made: made.clip == 52)
    assert take(schedule) == 0
    schedule.finish(job(0), refused=True)
    schedule.note_position(job(50))
    assert [take(schedule), take(schedule)] == [51, 53]
    schedule.close()
    assert schedule.take() is None


def test_after_the_last_clip_of_the_order_its_first_is_expected() -> None:
    schedule = schedule_of(4, look_ahead=10)
    assert take(schedule) == 0
    schedule.finish(job(0), refused=True)
    schedule.note_position(job(2))
    assert [take(schedule) for _ in range(3)] == [3, 0, 1]


def test_work_ahead_goes_on_when_the_store_has_room_again() -> None:
    schedule = schedule_of(3)
    assert take(schedule) == 0
    schedule.finish(job(0), refused=True)
    schedule.demand(job(2))
    assert take(schedule) == 2
    schedule.finish(job(2), refused=False)
    assert take(schedule) == 1


def test_a_failure_says_nothing_about_the_store() -> None:
    schedule = schedule_of(3)
    assert take(schedule) == 0
    schedule.finish(job(0), refused=None)
    assert take(schedule) == 1


def test_closing_wakes_those_who_wait_for_work() -> None:
    schedule = Schedule(1, nothing_is_made)
    taken: list[Job | None] = []
    waiter = threading.Thread(target=lambda: taken.append(schedule.take()))
    waiter.start()
    schedule.close()
    waiter.join(10)
    assert taken == [None]
