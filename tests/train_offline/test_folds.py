import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_offline.folds import WITHHELD, assign_folds


def draw_targets(seed: int, clips: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    targets = rng.random((clips, 8)) < 0.1
    targets[np.arange(clips), rng.integers(0, 8, clips)] = True
    return targets


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(24, 200))
def test_every_clip_is_in_exactly_one_fold(seed: int, clips: int) -> None:
    folds = assign_folds(draw_targets(seed, clips), 6, seed)
    assert folds.shape == (clips,)
    assert set(folds) == set(range(6))


def test_labels_are_spread_evenly() -> None:
    targets = draw_targets(0, 600)
    folds = assign_folds(targets, 6, seed=0)
    counts = np.array([targets[folds == fold].sum(axis=0) for fold in range(6)])
    assert (np.ptp(counts, axis=0) <= 4).all()


def test_a_label_with_fewer_clips_than_folds_is_no_fault() -> None:
    targets = draw_targets(0, 60)
    targets[:, 0] = False
    targets[:2, 0] = True
    assert set(assign_folds(targets, 6, seed=0)) == set(range(6))


def test_the_same_seed_gives_the_same_folds() -> None:
    targets = draw_targets(1, 100)
    np.testing.assert_array_equal(assign_folds(targets, 6, 3), assign_folds(targets, 6, 3))
    assert (assign_folds(targets, 6, 3) != assign_folds(targets, 6, 4)).any()


def test_withheld_clips_are_in_no_fold_and_have_the_labels_of_the_rest() -> None:
    targets = np.random.default_rng(0).random((300, 4)) < [0.5, 0.3, 0.2, 0.1]
    fold_of = assign_folds(targets, 6, seed=0, withheld_share=0.2)
    withheld = fold_of == WITHHELD
    assert withheld.sum() == pytest.approx(60, abs=6)
    np.testing.assert_allclose(targets[withheld].mean(axis=0), targets.mean(axis=0), atol=0.05)
    assert set(fold_of[~withheld]) == set(range(6))
