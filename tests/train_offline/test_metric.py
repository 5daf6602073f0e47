import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score

from train_offline.metric import lwlrap, lwlrap_per_label


def slow_lwlrap(truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float:
    """As the competition defines it, one label of one clip at a time."""
    precisions = []
    for clip_truth, clip_scores in zip(truth, scores, strict=True):
        for label in np.flatnonzero(clip_truth):
            above = clip_scores >= clip_scores[label]
            precisions.append((above & clip_truth).sum() / above.sum())
    return float(np.mean(precisions))


def draw(seed: int, clips: int, labels: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    truth = rng.random((clips, labels)) < 0.2
    truth[0, 0] = True
    return truth, rng.integers(0, 20, (clips, labels)).astype(float)  # whole numbers: there are ties


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 9))
def test_it_is_the_competitions_definition(seed: int, clips: int, labels: int) -> None:
    truth, scores = draw(seed, clips, labels)
    assert lwlrap(truth, scores) == pytest.approx(slow_lwlrap(truth, scores))


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 9))
def test_it_is_scikit_learns_with_clips_weighted_by_their_labels(seed: int, clips: int, labels: int) -> None:
    truth, scores = draw(seed, clips, labels)
    labelled = truth.any(axis=1)
    weights = truth[labelled].sum(axis=1)
    expected = label_ranking_average_precision_score(truth[labelled], scores[labelled], sample_weight=weights)
    assert lwlrap(truth, scores) == pytest.approx(expected)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 9))
def test_labels_weighted_by_their_counts_make_the_whole(seed: int, clips: int, labels: int) -> None:
    truth, scores = draw(seed, clips, labels)
    counts = truth.sum(axis=0)
    per_label = lwlrap_per_label(truth, scores)
    assert np.isnan(per_label[counts == 0]).all()
    assert np.nansum(per_label * counts) / counts.sum() == pytest.approx(lwlrap(truth, scores))


def test_a_perfect_ranking_scores_one_and_ties_are_punished() -> None:
    truth = np.array([[True, False, False]])
    assert lwlrap(truth, np.array([[3.0, 2.0, 1.0]])) == 1
    assert lwlrap(truth, np.zeros((1, 3))) == pytest.approx(1 / 3)


def test_clips_without_labels_do_not_count() -> None:
    truth = np.array([[True, False], [False, False]])
    assert lwlrap(truth, np.array([[1.0, 0.0], [5.0, 1.0]])) == 1


def test_a_test_set_of_the_competitions_size_takes_a_moment() -> None:
    truth, scores = draw(0, 4481, 80)
    seconds_s = []
    for _ in range(3):
        began_s = time.process_time()
        lwlrap(truth, scores)
        seconds_s.append(time.process_time() - began_s)
    assert min(seconds_s) < 0.2
