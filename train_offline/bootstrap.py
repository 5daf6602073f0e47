"""How far lwlrap could be off for having been measured on these clips and no others: bootstrap intervals over clips.

Clips are drawn with replacement, as often as there are clips, many times over. Lwlrap is a ratio of two sums over
clips, so each clip's share of them is computed once, and a resample is a weighted mean.
"""

import numpy as np
import numpy.typing as npt

from train_offline.metric import Scores, precision_sums

Float64 = npt.NDArray[np.float64]

RESAMPLES_AT_A_TIME = 256


def lwlrap_interval(
    truth: npt.NDArray[np.bool_], scores: Scores, *, resamples: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Where lwlrap lies in the middle `level` of the resamples.

    Args:
        truth: [clips, labels] whether the label applies.
        scores: [clips, labels]; or [runs, clips, labels], such as one training with several seeds: then it is about
            the mean lwlrap of the runs.
        resamples: how many.
        seed: of the draws.
        level: the share of the resamples inside.

    Returns:
        The lower and the upper end.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", the percentile interval.
    """
    totals, counts = _shares(truth, scores)
    return _middle(_resampled(totals, counts, resamples, seed), level)


def paired_interval(
    truth: npt.NDArray[np.bool_],
    scores_a: Scores,
    scores_b: Scores,
    *,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """How much higher the lwlrap of A is than that of B, where both are scored on the same resampled clips.

    Args:
        truth: [clips, labels] whether the label applies.
        scores_a: [clips, labels] or [runs, clips, labels].
        scores_b: the same; it may have another number of runs.
        resamples: how many.
        seed: of the draws.
        level: the share of the resamples inside the interval.

    Returns:
        The difference A - B, and the lower and the upper end of its interval. An interval that excludes 0 is a
        difference that does not hang on which clips happened to be scored; it says nothing about other seeds, unless
        there are runs with several.
    """
    totals_a, counts = _shares(truth, scores_a)
    totals_b, _ = _shares(truth, scores_b)
    totals = totals_a - totals_b
    return float(totals.sum() / counts.sum()), *_middle(_resampled(totals, counts, resamples, seed), level)


def _shares(truth: npt.NDArray[np.bool_], scores: Scores) -> tuple[Float64, Float64]:
    """What each clip that has a label adds to the two sums, each [labelled clips]; the mean over runs."""
    runs = scores if scores.ndim == 3 else scores[None]
    labelled = truth.any(axis=1)
    if not labelled.any():
        raise ValueError("no clip has a label: there is no lwlrap to bootstrap")
    totals = np.mean([precision_sums(truth[labelled], run[labelled])[0] for run in runs], axis=0)
    return totals, truth[labelled].sum(axis=1).astype(np.float64)


def _resampled(totals: Float64, counts: Float64, resamples: int, seed: int) -> Float64:
    """[resamples] the ratio of the two sums over drawn clips."""
    rng = np.random.default_rng(seed)
    n_clips = len(totals)
    ratios = []
    for first in range(0, resamples, RESAMPLES_AT_A_TIME):
        n_here = min(RESAMPLES_AT_A_TIME, resamples - first)
        drawn = rng.integers(0, n_clips, (n_here, n_clips))
        ratios.append(totals[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(ratios)


def _middle(values: Float64, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
