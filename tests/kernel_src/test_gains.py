import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kernel_src.gains import ENSEMBLE_GAIN, USUAL_VIEW_GAIN, GainModel, MemberValue, fitted_view_gain


def member(
    kind: str = "silver", score: float | None = 0.7, ladder: tuple[float, ...] = (), fold: int = 0
) -> MemberValue:
    return MemberValue("name", kind, score, ladder, fold)


@given(st.floats(0, 0.2), st.integers(1, 15))
def test_a_ladder_of_the_models_own_shape_is_fitted_exactly(gain: float, steps: int) -> None:
    ladder = np.diff([gain * (1 - 1 / views) for views in range(1, steps + 2)])
    assert fitted_view_gain([ladder.tolist()]) == pytest.approx(gain)


def test_a_ladder_that_goes_down_promises_nothing() -> None:
    assert fitted_view_gain([(-0.1, -0.2)]) == 0


def test_a_usual_gain_is_taken_where_none_was_measured() -> None:
    assert GainModel([member()]).view_gain == USUAL_VIEW_GAIN


def test_a_look_of_another_network_is_worth_more_than_one_more_of_the_same() -> None:
    gains = GainModel([member(), member()])
    looks = np.array([[1, 2], [0, 0]])
    assert (gains.of_one_look_more(looks)[1] > gains.of_one_look_more(looks)[0]).all()


def test_each_further_look_is_worth_less_than_the_one_before() -> None:
    gains = GainModel([member()])
    worth = gains.of_one_look_more(np.arange(8)[None])[0]
    assert (np.diff(worth) < 0).all()


def test_networks_that_differ_in_their_fold_only_count_as_equally_good() -> None:
    gains = GainModel(
        [member(score=0.9), member(score=0.5, fold=1), member("best", score=0.95), member("best", 0.4, fold=2)]
    )
    first, second, other, last = gains.of_one_look_more(np.ones((4, 1), np.intp))[:, 0]
    assert first == pytest.approx(second)
    assert other == pytest.approx(last)
    assert other > first


def test_kinds_that_take_turns_with_the_folds_count_as_equally_good() -> None:
    gains = GainModel([member("pcen", 0.9), member("db", 0.6, fold=1), member("pcen", 0.8, fold=2), member("db", None)])
    values = gains.of_one_look_more(np.ones((4, 1), np.intp))[:, 0]
    np.testing.assert_allclose(values, values[0])


@given(arrays(np.intp, st.tuples(st.just(3), st.integers(1, 5)), elements=st.integers(0, 9)))
def test_gains_are_those_of_the_formula(looks: npt.NDArray[np.intp]) -> None:
    scores = np.array([0.7, 0.6, 0.9])
    model = GainModel([member(kind, score) for kind, score in zip("abc", scores, strict=True)])

    def loss(of_clip: npt.NDArray[np.intp]) -> float:
        total = of_clip.sum()
        if not total:
            return 1.0
        shares = of_clip / total
        noise = ENSEMBLE_GAIN * float(shares @ shares) + model.view_gain / total
        return noise - float(shares @ (scores - scores.mean()))

    gains = model.of_one_look_more(looks)
    for index, clip in np.ndindex(looks.shape):
        before, after = looks[:, clip], looks[:, clip] + (np.arange(3) == index)
        assert gains[index, clip] == pytest.approx(loss(before) - loss(after), abs=1e-12)
