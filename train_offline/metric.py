"""The competition's metric: label-weighted label-ranking average precision (lwlrap)."""

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def lwlrap(truth: npt.NDArray[np.bool_], scores: Scores) -> float:
    """Lwlrap over clips: the mean precision at the rank of each label that a clip has.

    Args:
        truth: [clips, labels] whether the label applies.
        scores: [clips, labels] any scores that rank the labels of a clip; ties are punished, so give
            probabilities in double precision.

    Source: the competition's evaluation page. Equal to scikit-learn's
    `label_ranking_average_precision_score` with each clip weighted by its number of labels, which takes a loop.
    """
    return float(_precisions(truth, scores)[0].mean())


def lwlrap_per_label(truth: npt.NDArray[np.bool_], scores: Scores) -> npt.NDArray[np.float64]:
    """[labels] the mean over each label's own hits; NaN for a label that no clip has.

    Weighted by the labels' counts, their mean is `lwlrap`.
    """
    precisions, labels = _precisions(truth, scores)
    totals = np.bincount(labels, weights=precisions, minlength=truth.shape[1])
    counts = np.bincount(labels, minlength=truth.shape[1])
    means = np.full(truth.shape[1], np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return means


def lwlrap_of_clips(truth: npt.NDArray[np.bool_], scores: Scores) -> npt.NDArray[np.float64]:
    """[clips] the mean over each clip's own labels; NaN for a clip without labels."""
    totals, counts = precision_sums(truth, scores)
    means = np.full(len(truth), np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return means


def precision_sums(
    truth: npt.NDArray[np.bool_], scores: Scores
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """For each clip, [clips], the sum of the precisions at its labels, and how many labels it has.

    `lwlrap` is the sum of the first over the sum of the second.
    """
    clips, _ = np.nonzero(truth)
    totals = np.bincount(clips, weights=_precisions(truth, scores)[0], minlength=len(truth)).astype(np.float64)
    return totals, truth.sum(axis=1)


def _precisions(truth: npt.NDArray[np.bool_], scores: Scores) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """For each label of each clip, [hits], the precision at its rank and which label it is."""
    clips, labels = np.nonzero(truth)
    above = scores[clips] >= scores[clips, labels][:, None]  # [hits, labels]; ties count as above
    return (above & truth[clips]).sum(axis=1) / above.sum(axis=1), labels
