import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.gains import MemberValue
from kernel_src.plan import Opinion, PassPlan, Planner

N_LABELS = 4


def value(name: str, kind: str = "silver", score: float | None = 0.7) -> MemberValue:
    return MemberValue(name, kind, score, ())


def play(
    views: np.ndarray, *, stop_early: bool, logits: np.ndarray | None = None, costs_s: list[float] | None = None
) -> list[PassPlan]:
    """All passes; `logits`, [members, clips, labels], is what each look says, noise where none are given."""
    rng = np.random.default_rng(0)
    looks = np.zeros_like(views)
    planner = Planner([value(str(index)) for index in range(len(views))], looks, views, stop_early=stop_early)
    sums, squares = np.zeros((2, views.shape[1], N_LABELS))
    plans = []
    while (plan := planner.next_pass(costs_s or [1.0] * len(views))) is not None:
        clips = list(plan.clips)
        said = logits[plan.member, clips] if logits is not None else rng.standard_normal((len(clips), N_LABELS))
        sums[clips] += said
        squares[clips] += said**2
        looks[plan.member, clips] += 1
        count = looks[:, clips].sum(axis=0)[:, None]
        means = sums[clips] / count
        planner.consider(clips, Opinion(means, (squares[clips] - count * means**2) / np.maximum(1, count - 1)))
        plans.append(plan)
    return plans


VIEWS = st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), min_size=1, max_size=4).map(np.array)


@given(VIEWS)
def test_without_an_early_stop_each_member_looks_at_each_view_of_each_clip_once(views: np.ndarray) -> None:
    made = np.zeros_like(views)
    for plan in play(views, stop_early=False):
        assert len(set(plan.clips)) == len(plan.clips)
        made[plan.member, list(plan.clips)] += 1
    np.testing.assert_array_equal(made, views)


@given(VIEWS)
def test_an_early_stop_leaves_looks_out_and_makes_none_twice(views: np.ndarray) -> None:
    made = np.zeros_like(views)
    for plan in play(views, stop_early=True):
        made[plan.member, list(plan.clips)] += 1
    assert (made <= views).all()
    assert (made.sum(axis=0) >= np.minimum(2, views.sum(axis=0))).all()


def test_every_clip_is_looked_at_by_two_members_before_any_is_looked_at_again() -> None:
    first, second = play(np.full((3, 8), 4), stop_early=False)[:2]
    assert first.member != second.member
    assert first.clips == second.clips == tuple(range(8))


def test_the_cheapest_full_pass_comes_first() -> None:
    plans = play(np.full((3, 4), 2), stop_early=False, costs_s=[5.0, 1.0, 5.0])
    assert plans[0].member == 1
    assert len(plans[0].clips) == 4


def test_clips_whose_ranking_has_settled_are_left_alone() -> None:
    logits = np.tile(np.array([9.0, 3.0, -3.0, -9.0]), (4, 6, 1))
    logits[1::2, 5] = logits[1::2, 5, ::-1]  # of the last clip two networks say the opposite
    plans = play(np.full((4, 6), 5), stop_early=True, logits=logits)
    looks = np.zeros(6, int)
    for plan in plans:
        looks[list(plan.clips)] += 1
    assert (looks[:5] <= 6).all()
    assert looks[5] > 15


def test_a_clip_that_becomes_longer_or_unusable_while_passes_run_is_taken_as_it_is() -> None:
    looks, views = np.zeros((1, 3), np.intp), np.ones((1, 3), np.intp)
    planner = Planner([value("a")], looks, views, stop_early=False)
    first = planner.next_pass([1.0])
    assert first is not None
    looks[0], views[0] = [1, 1, 0], [1, 2, 0]
    planner.consider([0, 1], Opinion(np.zeros((2, 2)), np.zeros((2, 2))))
    second = planner.next_pass([1.0])
    assert second is not None
    assert second.clips == (1,)


@pytest.mark.parametrize("scores", [(0.7, 0.7), (None, None)])
def test_a_plan_says_why(scores: tuple[float | None, float | None]) -> None:
    members = [value("a", score=scores[0]), value("b", score=scores[1])]
    planner = Planner(members, np.zeros((2, 3), np.intp), np.ones((2, 3), np.intp), stop_early=True)
    plan = planner.next_pass([0.1, 0.1])
    assert plan is not None
    assert "expected per clip and second" in plan.reason
