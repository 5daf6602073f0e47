"""How far a clip's ranking of labels may still change: further looks go where it may, and stop where it may not."""

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr

Float64 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.intp]

TOP_RANKS = 8
"""Neighbours in the ranking that are compared; swaps further down change lwlrap by less than 1/72 each."""

USUAL_VARIANCE = 1.0
"""Of one look, in logits, before any clip has had two looks."""

POOLED_LOOKS = 4.0
"""How many looks' worth the spread over all clips counts beside a clip's own, which comes from a few looks only."""


def expected_change(means: Float64, variances: Float64, looks: Counts, looks_in_all: Counts) -> Float64:
    """How much of a clip's lwlrap further looks may still move, by an estimate.

    Neighbours in the ranking, at ranks r and r + 1, swap with a chance that depends on the distance of their means and
    on how far these may still move; a swap matters by 1/r - 1/(r + 1), and only if one label applies and the other
    does not.

    Args:
        means: [clips, labels] the blended probabilities so far, as logits.
        variances: [clips, labels] of one look, in the same units, as far as a clip's own looks tell.
        looks: [clips] how many looks these are from, at least 1.
        looks_in_all: [clips] how many there will be at most.

    Returns:
        [clips] 0 where nothing is left to look at.
    """
    rows = np.arange(len(means))[:, None]
    top = min(TOP_RANKS + 1, means.shape[1])
    order = np.argpartition(-means, top - 1, axis=1)[:, :top]
    order = order[rows, np.argsort(-means[rows, order], axis=1)]
    best, spread = means[rows, order], _steadied(variances[rows, order], looks)
    # A mean over n of N looks differs from that over all N by a variance of s^2 (1/n - 1/N).
    moves = np.maximum(0.0, 1 / looks - 1 / np.maximum(looks, looks_in_all))
    deviation = np.sqrt((spread[:, :-1] + spread[:, 1:]) * moves[:, None])
    gaps = best[:, :-1] - best[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        swaps = np.where(deviation > 0, ndtr(-gaps / deviation), 0.0)
    chance = expit(best)
    differ = chance[:, :-1] * (1 - chance[:, 1:]) + chance[:, 1:] * (1 - chance[:, :-1])
    ranks = np.arange(1, top)
    change: Float64 = (swaps * differ * (1 / ranks - 1 / (ranks + 1))).sum(axis=1)
    return change


def _steadied(variances: Float64, looks: Counts) -> Float64:
    """Variances drawn towards those of all clips, the more the fewer looks they are from."""
    own = np.maximum(0.0, looks - 1.0)[:, None]
    known = own[:, 0] > 0
    pooled = float(variances[known].mean()) if known.any() else USUAL_VARIANCE
    steadied: Float64 = (variances * own + pooled * POOLED_LOOKS) / (own + POOLED_LOOKS)
    return steadied
