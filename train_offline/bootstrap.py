"""How sure a score, or the difference of two, is: the clips are drawn again and again."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from train_offline.metric import Scores, lwlrap_of_clips

SAMPLES = 2000


def bootstrap_interval(
    truth: npt.NDArray[np.bool_], scores: Sequence[Scores], rivals: Sequence[Scores] = (), seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of the mean lwlrap of some predictions, or of what it is above that of their rivals.

    Both are scored on the same drawn clips (paired), so that what is hard for both does not blur the difference.

    Args:
        truth: [clips, labels].
        scores: predictions of the same clips, such as one for each seed, each [clips, labels].
        rivals: predictions to compare with; () for none.
        seed: of the drawing.

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", the percentile interval.
    """
    n_labels = truth.sum(axis=1)
    gains = np.mean([_sums(truth, each) for each in scores], axis=0)
    if rivals:
        gains = gains - np.mean([_sums(truth, each) for each in rivals], axis=0)
    drawn = np.random.default_rng(seed).integers(len(truth), size=(SAMPLES, len(truth)))
    means = gains[drawn].sum(axis=1) / n_labels[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _sums(truth: npt.NDArray[np.bool_], scores: Scores) -> npt.NDArray[np.float64]:
    """[clips] the sum of the precisions at each clip's labels: lwlrap is their sum over the sum of labels."""
    sums: npt.NDArray[np.float64] = np.nan_to_num(lwlrap_of_clips(truth, scores)) * truth.sum(axis=1)
    return sums
