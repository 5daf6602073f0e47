import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from train_offline.metric import lwlrap, lwlrap_of_clips
from train_offline.noisy_pick import PickSettings, pick_balanced


def labels_at(rows: list[list[int]], n_labels: int) -> np.ndarray:
    targets = np.zeros((len(rows), n_labels), bool)
    for clip, labels in enumerate(rows):
        targets[clip, labels] = True
    return targets


@st.composite
def noisy_splits(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rows = draw(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True), min_size=1, max_size=40))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return labels_at(rows, 4), rng.standard_normal((len(rows), 4))


@settings(max_examples=60)
@given(noisy_splits(), st.integers(1, 6), st.sampled_from([0.0, 0.34, 0.5, 1.0]))
def test_picks_are_balanced_where_a_label_has_enough_clips_of_its_own(
    split: tuple[np.ndarray, np.ndarray], most: int, threshold: float
) -> None:
    targets, logits = split
    picks = pick_balanced(targets, logits, PickSettings(most, threshold))
    clips = [pick.clip for pick in picks]
    counts = targets[clips].sum(axis=0)
    good = lwlrap_of_clips(targets, logits) >= threshold
    of_its_own = (targets & (targets.sum(axis=1) == 1)[:, None] & good[:, None]).sum(axis=0)
    assert len(set(clips)) == len(clips)
    assert good[clips].all()
    assert all(targets[pick.clip, pick.label] for pick in picks)
    assert counts.max(initial=0) <= most
    assert (counts[of_its_own >= most] == most).all()
    assert (counts >= np.minimum(of_its_own, most)).all()


def test_the_clips_that_the_network_agrees_with_most_are_picked_first() -> None:
    targets = labels_at([[0], [0], [0], [1]], 3)
    logits = np.array([[1.0, 2, 0], [2, 1, 0], [0, 1, 2], [0, 1, 2]])
    picks = pick_balanced(targets, logits, PickSettings(clips_per_label=2, threshold=0.4))
    assert [(pick.clip, pick.label, pick.score) for pick in picks] == [(1, 0, 1.0), (3, 1, 0.5), (0, 0, 0.5)]


def test_a_clip_is_not_picked_where_it_would_give_another_of_its_labels_too_many() -> None:
    targets = labels_at([[0], [0], [0, 1], [1]], 2)
    logits = np.array([[2.0, 1], [2, 1], [2, 1], [2, 1]])
    picks = pick_balanced(targets, logits, PickSettings(clips_per_label=2, threshold=0.3))
    assert sorted(pick.clip for pick in picks) in ([0, 1, 3], [0, 2, 3], [1, 2, 3])


def test_lwlrap_of_one_clip_is_lwlrap_of_a_split_of_one() -> None:
    rng = np.random.default_rng(0)
    targets, logits = rng.random((20, 7)) < 0.3, rng.standard_normal((20, 7))
    each = lwlrap_of_clips(targets, logits)
    for clip in range(20):
        if targets[clip].any():
            assert each[clip] == pytest.approx(lwlrap(targets[clip : clip + 1], logits[clip : clip + 1]))
        else:
            assert np.isnan(each[clip])
