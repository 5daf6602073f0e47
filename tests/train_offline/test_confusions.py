import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from train_offline.confusions import Confusion, outranked, worst_confusions


def slow_outranked(truth: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> list[list[int]]:
    counts = [[0] * truth.shape[1] for _ in range(truth.shape[1])]
    for clip in range(len(truth)):
        for true in np.flatnonzero(truth[clip]):
            for other in range(truth.shape[1]):
                if not truth[clip, other] and scores[clip, other] >= scores[clip, true]:
                    counts[true][other] += 1
    return counts


@given(st.integers(0, 10**6), st.integers(0, 12), st.integers(1, 8))
def test_each_pair_is_counted_as_one_label_of_one_clip_at_a_time(seed: int, clips: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    truth, scores = rng.random((clips, labels)) < 0.3, rng.integers(0, 5, (clips, labels)).astype(float)
    assert outranked(truth, scores).tolist() == slow_outranked(truth, scores)


def test_the_worst_pairs_come_first_and_a_single_clip_makes_none() -> None:
    truth = np.array([[True, False, False]] * 4 + [[False, True, False]] * 2)
    scores = np.array([[1.0, 2, 0]] * 2 + [[1.0, 0, 2], [1, 0, 0]] + [[2.0, 1, 0]] * 2)
    assert worst_confusions(truth, scores, most=5) == [Confusion(1, 0, 2, 2), Confusion(0, 1, 2, 4)]
    assert worst_confusions(truth, scores, most=1) == [Confusion(1, 0, 2, 2)]
