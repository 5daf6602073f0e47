import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kernel_src.plan import passes


def test_every_member_looks_once_best_first_before_any_looks_twice() -> None:
    counts = np.full((3, 2), 2)
    order = [(plan.member, plan.view) for plan in passes([0.5, 0.9, None], counts)]
    assert order == [(1, 0), (0, 0), (2, 0), (1, 1), (0, 1), (2, 1)]


@given(hnp.arrays(np.intp, st.tuples(st.integers(1, 4), st.integers(1, 20)), elements=st.integers(0, 5)))
def test_each_clip_gets_each_of_its_views_from_each_member_exactly_once(counts: np.ndarray) -> None:
    seen = np.zeros(counts.shape, np.intp)
    for plan in passes([None] * len(counts), counts):
        assert plan.clips
        assert plan.reason
        assert (counts[plan.member, list(plan.clips)] > plan.view).all()
        seen[plan.member, list(plan.clips)] += 1
    np.testing.assert_array_equal(seen, counts)


def test_lengths_that_become_known_in_the_first_pass_are_used_in_the_next() -> None:
    counts = np.ones((1, 3), np.intp)
    plans = passes([0.5], counts)
    assert next(plans).clips == (0, 1, 2)
    counts[0] = [0, 1, 4]  # a bad clip, a short one, a long one
    assert [(plan.view, plan.clips) for plan in plans] == [(1, (2,)), (2, (2,)), (3, (2,))]
