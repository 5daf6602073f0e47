import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.blend import Blend

PRIORS = [0.1, 0.2, 0.7]


def test_clips_that_no_pass_reached_keep_their_priors() -> None:
    blend = Blend(2, PRIORS)
    blend.add([1], np.full((1, 3), 0.5))
    np.testing.assert_allclose(blend.probabilities(), [PRIORS, [0.5, 0.5, 0.5]])
    assert blend.reached == 1


@given(st.lists(st.sets(st.integers(0, 4), min_size=1), max_size=12))
def test_a_clip_has_the_mean_and_the_spread_of_the_looks_that_reached_it(passes: list[set[int]]) -> None:
    rng = np.random.default_rng(0)
    blend = Blend(5, PRIORS)
    looks: dict[int, list[np.ndarray]] = {clip: [] for clip in range(5)}
    for clips in passes:
        said = rng.random((len(clips), 3))
        blend.add(sorted(clips), said)
        for clip, row in zip(sorted(clips), said, strict=True):
            looks[clip].append(row)
    opinion = blend.opinion(range(5))
    for clip, row in enumerate(blend.probabilities()):
        mean = sum(looks[clip]) / len(looks[clip]) if looks[clip] else None
        np.testing.assert_allclose(row, PRIORS if mean is None else mean)
        slope = 1.0 if mean is None else mean * (1 - mean)  # of a probability by its logit
        spread = np.var(looks[clip], axis=0, ddof=1) if len(looks[clip]) > 1 else 0.0
        np.testing.assert_allclose(opinion.variances[clip] * slope**2, spread, atol=1e-12)
        if mean is not None:
            np.testing.assert_allclose(opinion.means[clip], np.log(mean / (1 - mean)))


def test_values_that_are_not_finite_cost_one_look_at_one_clip() -> None:
    blend = Blend(2, PRIORS)
    assert blend.add([0, 1], np.array([[1, np.nan, 1], [0.5, 0.5, 0.5]])).tolist() == [False, True]
    assert blend.reached == 1
    np.testing.assert_allclose(blend.probabilities()[0], PRIORS)


def test_a_label_that_one_window_hears_well_is_above_one_that_all_hear_a_little() -> None:
    blend = Blend(1, PRIORS)
    for said in ([0.9, 0.2, 0.1], [0.01, 0.2, 0.1], [0.01, 0.2, 0.1]):  # the mean of the logits would say the opposite
        blend.add([0], np.array([said]))
    values = blend.probabilities()[0]
    assert values[0] > values[1] > values[2]


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_what_all_looks_are_certain_of_is_an_opinion_too(certain: float) -> None:
    blend = Blend(1, PRIORS)
    for _ in range(3):
        blend.add([0], np.full((1, 3), certain))
    opinion = blend.opinion([0])
    assert np.isfinite(opinion.means).all()
    assert np.isfinite(opinion.variances).all()
