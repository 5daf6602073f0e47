import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.blend import Blend

PRIORS = [0.1, 0.2, 0.7]


def test_clips_that_no_pass_reached_keep_their_priors() -> None:
    blend = Blend(2, PRIORS)
    blend.add([1], np.zeros((1, 3), np.float32))
    np.testing.assert_allclose(blend.probabilities(), [PRIORS, [0.5, 0.5, 0.5]])
    assert blend.reached == 1


@given(st.lists(st.sets(st.integers(0, 4), min_size=1), max_size=12))
def test_a_clip_has_the_mean_and_the_spread_of_the_looks_that_reached_it(passes: list[set[int]]) -> None:
    rng = np.random.default_rng(0)
    blend = Blend(5, PRIORS)
    looks: dict[int, list[np.ndarray]] = {clip: [] for clip in range(5)}
    for clips in passes:
        logits = rng.standard_normal((len(clips), 3)).astype(np.float32)
        blend.add(sorted(clips), logits)
        for clip, row in zip(sorted(clips), logits, strict=True):
            looks[clip].append(row.astype(float))
    opinion = blend.opinion(range(5))
    for clip, row in enumerate(blend.probabilities()):
        mean = sum(looks[clip]) / len(looks[clip]) if looks[clip] else None
        np.testing.assert_allclose(row, PRIORS if mean is None else 1 / (1 + np.exp(-mean)))
        spread = np.var(looks[clip], axis=0, ddof=1) if len(looks[clip]) > 1 else 0.0
        np.testing.assert_allclose(opinion.variances[clip], spread, atol=1e-12)


def test_logits_that_are_not_finite_cost_one_look_at_one_clip() -> None:
    blend = Blend(2, PRIORS)
    blend.add([0, 1], np.array([[1, np.nan, 1], [0, 0, 0]], np.float32))
    assert blend.reached == 1
    np.testing.assert_allclose(blend.probabilities()[0], PRIORS)


def test_certain_labels_stay_apart() -> None:
    blend = Blend(1, PRIORS)
    blend.add([0], np.array([[18.0, 19.0, 20.0]], np.float32))
    values = blend.probabilities()[0]
    assert values[0] < values[1] < values[2] < 1
