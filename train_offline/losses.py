"""What training makes small."""

import torch
from torch.nn import functional as F


def tagging_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, lsep_share: float) -> torch.Tensor:
    """Binary cross-entropy, averaged over labels and over clips by weight, plus a share of the ranking loss.

    Args:
        logits: [batch, labels] float32.
        targets: [batch, labels] float32 in [0, 1].
        weights: [batch] float32, what each clip counts.
        lsep_share: how much of `lsep` is added; 0 for none.

    Returns:
        The loss, a scalar.
    """
    by_clip = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(dim=1)
    if lsep_share:
        by_clip = by_clip + lsep_share * lsep(logits, targets)
    return (by_clip * weights).sum() / weights.sum()


def lsep(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-sum-exp pairwise ranking loss: how far labels that a clip lacks stand above those that it has.

    It is log(1 + sum over pairs of exp(absent - present)); the sum over pairs is the product of two sums.

    Args:
        logits: [batch, labels] float32.
        targets: [batch, labels]; a label counts as present from 0.5 on.

    Returns:
        [batch]; 0 for a clip that has all labels or none.

    Source: Li et al. 2017, "Improving pairwise ranking for multi-label image classification".
    """
    present = targets >= 0.5
    nothing = torch.finfo(logits.dtype).min / 4
    absent_sum = logits.masked_fill(present, nothing).logsumexp(dim=1)
    present_sum = (-logits).masked_fill(~present, nothing).logsumexp(dim=1)
    return F.softplus(absent_sum + present_sum)
