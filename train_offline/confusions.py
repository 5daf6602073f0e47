"""Which labels are taken for which: how often a wrong label outranks a right one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train_offline.metric import Scores


@dataclass(frozen=True)
class Confusion:
    """A pair of labels."""

    true: int
    """The label that the clips have."""
    wrong: int
    """The label that they have not, and that is ranked above."""
    clips: int
    """How often that is so."""
    of: int
    """How many clips have the true label."""


def outranked(truth: npt.NDArray[np.bool_], scores: Scores) -> npt.NDArray[np.intp]:
    """[labels, labels] clips with the row's label in which the column's, which they do not have, is ranked above.

    Args:
        truth: [clips, labels] whether the label applies.
        scores: [clips, labels]; a tie counts as above, as in the metric.
    """
    clips, labels = np.nonzero(truth)
    above = (scores[clips] >= scores[clips, labels][:, None]) & ~truth[clips]  # [hits, labels]
    counts = np.zeros((truth.shape[1], truth.shape[1]), np.intp)
    np.add.at(counts, labels, above)
    return counts


def worst_confusions(truth: npt.NDArray[np.bool_], scores: Scores, most: int) -> list[Confusion]:
    """The pairs that are confused in the largest share of the true label's clips, and in two clips at least."""
    counts, totals = outranked(truth, scores), truth.sum(axis=0)
    found = [
        Confusion(true, wrong, int(counts[true, wrong]), int(totals[true]))
        for true, wrong in np.argwhere(counts >= 2).tolist()
    ]
    return sorted(found, key=lambda pair: (-pair.clips / pair.of, -pair.clips, pair.true, pair.wrong))[:most]
