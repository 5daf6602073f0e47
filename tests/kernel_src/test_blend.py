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


@given(st.lists(st.tuples(st.sets(st.integers(0, 4), min_size=1), st.floats(0.1, 3)), max_size=12))
def test_a_clip_has_the_weighted_mean_of_the_passes_that_reached_it(passes: list[tuple[set[int], float]]) -> None:
    rng = np.random.default_rng(0)
    blend = Blend(5, PRIORS)
    looks: dict[int, list[tuple[float, np.ndarray]]] = {clip: [] for clip in range(5)}
    for clips, weight in passes:
        logits = rng.standard_normal((len(clips), 3)).astype(np.float32)
        blend.add(sorted(clips), logits, weight)
        for clip, row in zip(sorted(clips), logits, strict=True):
            looks[clip].append((weight, row))
    for clip, row in enumerate(blend.probabilities()):
        weights = [weight for weight, _ in looks[clip]]
        expected = PRIORS
        if weights:
            mean = sum(weight * look.astype(float) for weight, look in looks[clip]) / sum(weights)
            expected = 1 / (1 + np.exp(-mean))
        np.testing.assert_allclose(row, expected)


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
