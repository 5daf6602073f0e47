import numpy as np
import pytest

from kernel_src.settling import expected_change

FAR = np.array([[6.0, 0.0, -6.0]])
NEAR = np.array([[0.1, 0.0, -6.0]])
ONE = np.array([4])


def change(means: np.ndarray, spread: float = 1.0, looks: int = 4, looks_in_all: int = 40) -> float:
    return float(expected_change(means, np.full_like(means, spread), np.array([looks]), np.array([looks_in_all]))[0])


def test_neighbours_that_are_far_apart_stay_and_near_ones_may_swap() -> None:
    assert change(FAR) < 1e-6
    assert change(NEAR) > 0.01


def test_more_looks_settle_a_ranking_and_more_spread_unsettles_it() -> None:
    assert change(NEAR, looks=20) < change(NEAR, looks=4)
    assert change(NEAR, spread=4.0) > change(NEAR, spread=0.1)


def test_nothing_changes_when_nothing_is_left_to_look_at() -> None:
    assert change(NEAR, looks=40) == 0


def test_labels_that_both_apply_or_both_do_not_may_swap_for_nothing() -> None:
    assert change(np.array([[20.0, 19.9]])) == pytest.approx(0, abs=1e-6)
    assert change(np.array([[-20.0, -20.1]])) == pytest.approx(0, abs=1e-6)


def test_a_swap_at_the_top_matters_most() -> None:
    top = np.array([[0.1, 0.0, -9.0, -9.0, -9.0]])
    below = np.array([[9.0, 9.0, 9.0, 0.1, 0.0]])
    assert change(top) > 5 * change(below)


def test_the_spread_of_few_looks_is_drawn_towards_that_of_all_clips() -> None:
    means = np.array([[0.5, 0.0], [0.5, 0.0]])
    looks, in_all = np.array([2, 30]), np.array([40, 40])
    alone = expected_change(means, np.array([[0.0, 0.0], [0.0, 0.0]]), looks, in_all)
    beside = expected_change(means, np.array([[0.0, 0.0], [3.0, 3.0]]), looks, in_all)
    assert alone[0] == 0 < beside[0]
