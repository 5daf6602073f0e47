import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional as F

from train_offline.losses import lsep, tagging_loss

LOGITS = arrays(np.float32, (3, 5), elements=st.floats(-20, 20, width=32))
TARGETS = arrays(np.float32, (3, 5), elements=st.sampled_from([0.0, 1.0]))


def lsep_by_pairs(logits: np.ndarray, targets: np.ndarray) -> float:
    pairs = itertools.product(np.flatnonzero(targets < 0.5), np.flatnonzero(targets >= 0.5))
    return math.log(1 + sum(math.exp(float(logits[absent]) - float(logits[present])) for absent, present in pairs))


@given(logits=LOGITS, targets=TARGETS)
def test_the_ranking_loss_is_the_sum_over_all_pairs(logits: np.ndarray, targets: np.ndarray) -> None:
    expected = [lsep_by_pairs(*row) for row in zip(logits, targets, strict=True)]
    assert lsep(torch.from_numpy(logits), torch.from_numpy(targets)).tolist() == pytest.approx(
        expected, rel=1e-4, abs=1e-5
    )


def test_the_ranking_loss_of_a_clip_without_pairs_is_nothing_and_has_a_gradient_of_nothing() -> None:
    logits = torch.tensor([[50.0, -50.0], [50.0, -50.0]], requires_grad=True)
    loss = lsep(logits, torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    loss.sum().backward()
    assert loss.tolist() == [0, 0]
    assert logits.grad is not None
    assert logits.grad.tolist() == [[0, 0], [0, 0]]


def test_clips_count_by_their_weight() -> None:
    logits, targets = torch.randn(4, 6), (torch.rand(4, 6) > 0.5).float()
    by_clip = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
    weights = torch.tensor([1.0, 1.0, 0.5, 0.0])
    expected = (by_clip[0] + by_clip[1] + by_clip[2] / 2) / 2.5
    torch.testing.assert_close(tagging_loss(logits, targets, weights, lsep_share=0.0), expected)
    ranked = expected + 0.1 * (lsep(logits, targets) * weights).sum() / 2.5
    torch.testing.assert_close(tagging_loss(logits, targets, weights, lsep_share=0.1), ranked)
