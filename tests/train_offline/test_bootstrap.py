import numpy as np
import pytest

from train_offline.bootstrap import bootstrap_interval
from train_offline.metric import lwlrap


def predictions(skill: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    truth = np.random.default_rng(0).random((300, 6)) < 0.3
    return truth, skill * truth + np.random.default_rng(seed).standard_normal(truth.shape)


def test_an_interval_holds_the_score_and_is_as_wide_as_samples_of_other_clips_differ() -> None:
    truth, scores = predictions(1.0, seed=1)
    low, high = bootstrap_interval(truth, [scores])
    assert low < lwlrap(truth, scores) < high
    halves = [lwlrap(truth[part], scores[part]) for part in np.array_split(np.arange(300), 10)]
    assert (high - low) / 3.92 == pytest.approx(np.std(halves, ddof=1) / np.sqrt(10), rel=0.5)


def test_a_paired_difference_of_equals_is_nothing_and_of_better_ones_is_above_it() -> None:
    truth, scores = predictions(1.0, seed=1)
    assert bootstrap_interval(truth, [scores], [scores]) == (0, 0)
    _, better = predictions(2.0, seed=1)
    low, high = bootstrap_interval(truth, [better], [scores])
    assert 0 < low < lwlrap(truth, better) - lwlrap(truth, scores) < high
