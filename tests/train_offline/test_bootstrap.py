import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train_offline.bootstrap import lwlrap_interval, paired_interval
from train_offline.metric import lwlrap

Truth = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]


def draw(seed: int, clips: int, labels: int = 10, skill: float = 1.0) -> tuple[Truth, Scores]:
    """Clips of which some have no label, and scores that know something of the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.random((clips, labels)) < 0.15
    truth[0, 0] = True
    return truth, rng.standard_normal((clips, labels)) + skill * truth


def slow_interval(truth: Truth, scores: Scores, resamples: int, seed: int) -> tuple[float, float]:
    """The metric itself on clips drawn with replacement."""
    truth, scores = truth[truth.any(axis=1)], scores[truth.any(axis=1)]
    drawn = np.random.default_rng(seed).integers(0, len(truth), (resamples, len(truth)))
    low, high = np.quantile([lwlrap(truth[clips], scores[clips]) for clips in drawn], [0.025, 0.975])
    return float(low), float(high)


@given(st.integers(0, 10**6), st.integers(1, 40))
def test_a_resample_is_the_metric_on_the_drawn_clips(seed: int, clips: int) -> None:
    truth, scores = draw(seed, clips)
    assert lwlrap_interval(truth, scores, resamples=50, seed=3) == pytest.approx(slow_interval(truth, scores, 50, 3))


def test_the_interval_holds_the_score_and_shrinks_with_more_clips() -> None:
    widths = []
    for clips in (100, 1600):
        truth, scores = draw(1, clips)
        low, high = lwlrap_interval(truth, scores)
        assert low < lwlrap(truth, scores) < high
        widths.append(high - low)
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.25)


def test_intervals_cover_the_true_score_about_as_often_as_they_say() -> None:
    everything = draw(0, 100_000)
    covered = 0
    for seed in range(100):
        clips = np.random.default_rng(seed).integers(0, 100_000, 150)
        low, high = lwlrap_interval(everything[0][clips], everything[1][clips], resamples=300, seed=seed, level=0.9)
        covered += low <= lwlrap(*everything) <= high
    assert 80 <= covered <= 97


def test_two_that_are_scored_on_the_same_clips_are_told_apart_where_their_own_intervals_overlap() -> None:
    truth, scores_a = draw(2, 400)
    scores_b = scores_a + 0.3 * np.random.default_rng(5).standard_normal(scores_a.shape)
    difference, low, high = paired_interval(truth, scores_a, scores_b)
    assert difference == pytest.approx(lwlrap(truth, scores_a) - lwlrap(truth, scores_b))
    assert 0 < low < difference < high
    assert lwlrap_interval(truth, scores_a)[0] < lwlrap_interval(truth, scores_b)[1]


def test_the_two_sides_swapped_is_the_difference_turned_round() -> None:
    truth, scores_a = draw(3, 200)
    _, scores_b = draw(4, 200)
    difference, low, high = paired_interval(truth, scores_a, scores_b)
    assert paired_interval(truth, scores_b, scores_a) == pytest.approx((-difference, -high, -low))
    assert paired_interval(truth, scores_a, scores_a) == (0, 0, 0)


def test_several_runs_are_judged_by_their_mean() -> None:
    truth, first = draw(5, 300)
    rng = np.random.default_rng(6)
    runs = np.stack([first, first + rng.standard_normal(first.shape), rng.standard_normal(first.shape)])
    difference, low, high = paired_interval(truth, runs, first)
    mean = np.mean([lwlrap(truth, run) for run in runs])
    assert difference == pytest.approx(mean - lwlrap(truth, first))
    assert low < difference < high < 0
    low, high = lwlrap_interval(truth, runs)
    assert low < mean < high


def test_clips_without_labels_change_nothing_and_none_with_labels_is_an_error() -> None:
    truth, scores = draw(7, 100)
    labelled = truth.any(axis=1)
    assert lwlrap_interval(truth, scores) == lwlrap_interval(truth[labelled], scores[labelled])
    with pytest.raises(ValueError, match="no clip has a label"):
        lwlrap_interval(np.zeros_like(truth), scores)


def test_a_test_set_of_the_competitions_size_takes_a_moment() -> None:
    truth, scores = draw(0, 4481, 80)
    began_s = time.process_time()
    lwlrap_interval(truth, scores)
    assert time.process_time() - began_s < 1
