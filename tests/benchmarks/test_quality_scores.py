import numpy as np
import pytest

from benchmarks.quality_scores import Scored, results_of

TRUTH = np.eye(4, dtype=np.bool_)
RIGHT = TRUTH.astype(float)
WRONG = RIGHT[::-1]


def scored(out_of_fold: list[list[float]], predictions: np.ndarray) -> Scored:
    return Scored(np.array(out_of_fold), [predictions] * 2, {"only": [predictions] * 2})


def test_recipes_are_compared_out_of_fold_in_pairs_and_on_the_test_split(capsys: pytest.CaptureFixture[str]) -> None:
    best, silver = scored([[0.8, 0.7], [0.9, 0.8]], RIGHT), scored([[0.7, 0.7], [0.8, 0.6]], WRONG)
    results = results_of(TRUTH, {"best": best, "silver": silver})
    assert results["best, out of fold"].value == pytest.approx(0.8)
    assert results["best - silver, out of fold"].value == pytest.approx(0.1)
    assert "standard error 0.0408 over 4 pairs" in capsys.readouterr().out
    assert results["best - silver"].value == pytest.approx(1 - results["silver, all members"].value)
    assert results["best - silver"].met
    assert not results["best, last stage - first"].met


def test_recipes_without_best_among_them_are_only_scored() -> None:
    results = results_of(TRUTH, {"silver": scored([[0.7], [0.8]], RIGHT)})
    assert not [name for name in results if name.startswith("best")]
    assert results["silver, all members"].value == 1
