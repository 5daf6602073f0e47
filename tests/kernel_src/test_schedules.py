"""Runs on all kinds of days, on an injected clock: never late, never idle, a row for every clip."""

import os
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_day import PRIORS, Day, Schedule

from kernel_src.predict import PassRunner

SHARES = st.floats(0.02, 0.98)
EXAMPLES = int(os.environ.get("SCHEDULES", "1000"))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Any day that the runtime promises to come through."""
    limit_s = draw(st.sampled_from([5.0, 20.0, 60.0, 300.0, 1000.0, 3600.0]))
    n_clips = draw(st.one_of(st.integers(1, 300), st.integers(1, 300), st.integers(1, 10_000)))
    n_members = draw(st.integers(1, 6))
    # At full speed the whole limit is enough for about so many looks.
    looks = min(800.0, max(100.0, n_clips * 10 ** draw(st.floats(-1, 2))))
    usual_s = limit_s / looks
    costs_s = tuple(usual_s * draw(st.floats(0.3, 3.0)) for _ in range(n_members))
    return Schedule(
        limit_s=limit_s,
        n_clips=n_clips,
        member_costs_s=costs_s,
        start_s=limit_s * draw(st.floats(0, 0.2)),
        extraction_s=limit_s * draw(st.sampled_from([0.0, 0.1, 0.5, 2.0])) / n_clips,
        hanging_clips=tuple(draw(st.lists(st.integers(0, n_clips - 1), max_size=2))),
        write_s=limit_s * draw(st.sampled_from([0.0, 1e-4, 1e-3, 1e-2])),
        speed_changes=tuple(sorted(draw(st.lists(st.tuples(SHARES, st.floats(0.2, 5.0)), max_size=3)))),
        worker_stall=(draw(SHARES), limit_s * draw(st.floats(0, 0.05))),
        process_stall_at=draw(st.one_of(st.just(2.0), SHARES, st.floats(0.95, 0.9999))),
        batch_clips=draw(st.integers(1, 16)),
        stop_early=draw(st.booleans()),
    )


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), print_blob=True)
@given(schedules())
def test_no_day_makes_a_run_late_or_costs_a_clip_its_row(schedule: Schedule) -> None:
    day = Day(schedule)
    day.live()
    assert day.now_s <= schedule.limit_s
    assert len(day.submission) == schedule.n_clips
    assert np.isfinite(day.submission).all()
    assert max(Counter(day.seen).values(), default=1) == 1, "a member looked at the same view of a clip twice"
    np.testing.assert_allclose(day.blend.probabilities(), slow_blend(day))
    assert_not_idle(day)


def slow_blend(day: Day) -> list[list[float]]:
    """The mean of what was said of each clip, by the book."""
    return [
        [sum(said) / len(looks) for said in zip(*(look.tolist() for look in looks), strict=True)] or list(PRIORS)
        for looks in day.said.values()
    ]


def assert_not_idle(day: Day) -> None:
    """With work left and a limit of five minutes or more, hardly any time is left unused."""
    limit_s = day.schedule.limit_s
    has_work_left = day.outcome is None or day.outcome.reason == "the time is up"
    if has_work_left and limit_s >= 300:
        batch_s = max(day.dearest_batch_s, 1.5 * day.dearest_look_s)  # one clip is taken for half as dear again
        assert limit_s - day.now_s <= max(0.01 * limit_s, day.reserve_s + batch_s)
    if day.outcome is not None and day.outcome.reason == "every view has been looked at":
        assert (day.loop.looks == day.loop.views).all()


def usual_day(**changes: object) -> Day:
    fields = {"limit_s": 600.0, "n_clips": 40, "member_costs_s": (0.1, 0.1), **changes}
    day = Day(Schedule(**fields))  # type: ignore[arg-type]
    day.live()
    return day


def test_twice_the_speed_gives_twice_the_looks() -> None:
    slow = usual_day(n_clips=400, member_costs_s=(0.4, 0.4))
    fast = usual_day(n_clips=400, member_costs_s=(0.2, 0.2))
    assert fast.loop.looks.sum() == pytest.approx(2 * slow.loop.looks.sum(), rel=0.05)


def test_too_little_time_for_one_pass_tags_the_clips_that_were_reached_and_says_how_many() -> None:
    day = usual_day(n_clips=1000, member_costs_s=(2.0,))
    assert day.outcome is not None
    assert day.outcome.reason == "the time is up"
    assert 200 < day.outcome.clips < 300
    tagged = sum(row != list(PRIORS) for row in day.submission)
    assert tagged == day.outcome.clips


def test_a_clip_that_hangs_costs_its_own_score_and_the_rest_goes_on() -> None:
    day = usual_day(hanging_clips=(3,), stop_early=True)
    assert day.outcome is not None
    assert day.outcome.clips == 39
    assert day.now_s < 500


def test_the_cheaper_network_makes_the_first_full_pass() -> None:
    day = usual_day(member_costs_s=(1.0, 0.2), limit_s=30.0, n_clips=100)
    assert (day.loop.looks[1] >= 1).all()
    assert day.loop.looks[0].sum() == 0


def test_while_a_network_looks_for_the_first_time_the_next_one_is_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[str] = []
    monkeypatch.setattr(PassRunner, "place_ahead", lambda _, member: placed.append(member.id))
    day = Day(Schedule(60.0, 20, (0.01, 0.01, 0.01), most_passes=9))
    day.live()
    firsts = list(dict.fromkeys(f"m{member}" for member, *_ in day.seen))
    assert placed == firsts[1:]


def test_a_network_whose_values_are_not_finite_does_not_end_the_looks_of_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    look = Day._look

    def spoilt(day: Day, member: Any, *rest: Any) -> np.ndarray:
        said = look(day, member, *rest)
        return said * np.nan if member.index == 0 else said

    monkeypatch.setattr(Day, "_look", spoilt)
    day = Day(Schedule(60.0, 20, (0.01, 0.01, 0.01), stop_early=True))
    day.live()
    assert day.blend.reached == 20
    assert day.loop.looks[0].sum() == 0
    assert Counter(member for member, *_ in day.seen)[0] == 20, "it was asked about each clip once"
    np.testing.assert_allclose(day.blend.probabilities(), slow_blend(day))


def test_a_run_that_has_settled_says_so_and_leaves_time() -> None:
    day = usual_day(stop_early=True, n_clips=10)
    assert day.outcome is not None
    assert day.outcome.reason in {"no ranking is expected to change any more", "every view has been looked at"}
    assert day.now_s < 300


def test_how_fast_a_machine_is_does_not_change_a_fixed_number_of_passes() -> None:
    fields = {"limit_s": 3600.0, "n_clips": 200, "member_costs_s": (0.02, 0.02, 0.05), "most_passes": 9}
    even, uneven = usual_day(**fields), usual_day(**fields, speed_changes=((0.0005, 0.3), (0.003, 1.5)))
    assert uneven.now_s != even.now_s
    assert uneven.seen == even.seen
    assert uneven.submission == even.submission


def test_members_of_one_size_cost_the_same_however_unevenly_the_machine_runs() -> None:
    fields = {"limit_s": 3600.0, "n_clips": 200, "member_costs_s": (0.02, 0.02, 0.02)}
    even, uneven = usual_day(**fields), usual_day(**fields, speed_changes=((0.0005, 0.3), (0.003, 1.5)))
    assert uneven.seen == even.seen
