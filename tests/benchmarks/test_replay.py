import numpy as np
import pytest

from benchmarks.recorded_looks import RANDOM_LOOKS, RecordedLooks, silver_windows
from benchmarks.replay import Step, cost, fixed_order, our_order, scores_at, shuffled, silver_order
from kernel_src.gains import MemberValue
from kernel_src.views import MAX_VIEWS, view_order

N_MEMBERS, N_CLIPS, N_LABELS = 3, 40, 5
VALUES = [MemberValue(f"m{index}", "kind", 0.7, ()) for index in range(N_MEMBERS)]


@pytest.fixture
def recorded() -> RecordedLooks:
    """Made-up looks at clips of one to sixteen views."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 400, N_CLIPS)
    orders = np.full((N_MEMBERS, N_CLIPS, MAX_VIEWS), -1, np.int8)
    probabilities = np.full((N_MEMBERS, N_CLIPS, MAX_VIEWS, N_LABELS), np.nan)
    for member, clip in np.ndindex(N_MEMBERS, N_CLIPS):
        order = view_order(int(lengths[clip]), 32, 16, member)
        orders[member, clip, : len(order)] = order
        probabilities[member, clip, : len(order)] = rng.random((len(order), N_LABELS))
    random_probabilities = rng.random((N_MEMBERS, N_CLIPS, RANDOM_LOOKS, N_LABELS))
    return RecordedLooks(probabilities, random_probabilities, orders, rng.random((N_CLIPS, N_LABELS)) < 0.3)


def test_every_order_of_all_looks_comes_to_the_same(recorded: RecordedLooks) -> None:
    fixed = fixed_order(recorded)
    orders = [our_order(recorded, VALUES, stop_early=False), fixed, shuffled(fixed, seed=1)]
    whole = int(recorded.view_counts.sum())
    assert [cost(order) for order in orders] == [whole] * 3
    expected = np.nansum(recorded.probabilities.astype(float), axis=(0, 2)) / recorded.view_counts.sum(axis=0)[:, None]
    for order in orders:
        (scores,) = scores_at(recorded.probabilities, order, [whole])
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_a_budget_buys_so_many_looks_and_may_end_within_a_pass(recorded: RecordedLooks) -> None:
    steps = [Step(0, np.array([2, 0, 1]), np.zeros(3, np.intp)), Step(1, np.array([2]), np.zeros(1, np.intp))]
    after_two, after_all = scores_at(recorded.probabilities, steps, [2, 10])
    np.testing.assert_allclose(after_two[[2, 0]], recorded.probabilities[0, [2, 0], 0])
    assert not after_two[1].any()
    np.testing.assert_allclose(after_all[2], recorded.probabilities[:2, 2, 0].mean(axis=0), atol=1e-6)


def test_the_silver_solutions_order_is_fold_by_fold(recorded: RecordedLooks) -> None:
    order = silver_order(recorded)
    assert [step.member for step in order] == [member for member in range(N_MEMBERS) for _ in range(RANDOM_LOOKS)]


@pytest.mark.parametrize("n_frames", [10, 256, 1000])
def test_silver_looks_are_eight_zoomed_corners_and_a_plain_crop(n_frames: int) -> None:
    looks = silver_windows(n_frames, 256, 128, np.random.default_rng(0))
    assert [look.n_mels for look in looks] == [116] * 8 + [128]
    assert {look.first_mel for look in looks} == {0, 12}
