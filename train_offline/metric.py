"""The competition's metric: label-weighted label-ranking average precision (lwlrap)."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import label_ranking_average_precision_score

Scores = npt.NDArray[np.float32] | npt.NDArray[np.float64]


def lwlrap(truth: npt.NDArray[np.bool_], scores: Scores) -> float:
    """Lwlrap over clips, each weighted by its number of labels.

    Args:
        truth: [clips, labels] whether the label applies.
        scores: [clips, labels] any scores that rank the labels of a clip; ties are punished, so give logits
            rather than saturated probabilities.

    Source: the competition's evaluation page; equal to scikit-learn's LRAP with these sample weights.
    """
    labelled = truth.any(axis=1)
    weights = truth[labelled].sum(axis=1)
    score = label_ranking_average_precision_score(truth[labelled], scores[labelled], sample_weight=weights)
    return float(score)


def lwlrap_per_label(truth: npt.NDArray[np.bool_], scores: Scores) -> npt.NDArray[np.float64]:
    """[labels] mean precision at the rank of each label's own hits; NaN for a label that no clip has.

    Weighted by the labels' counts, their mean is `lwlrap`.
    """
    clips, labels = np.nonzero(truth)
    above = scores[clips] >= scores[clips, labels][:, None]  # [hits, labels]; ties count as above
    precision = (above & truth[clips]).sum(axis=1) / above.sum(axis=1)
    totals = np.bincount(labels, weights=precision, minlength=truth.shape[1])
    counts = np.bincount(labels, minlength=truth.shape[1])
    means = np.full(truth.shape[1], np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return means
