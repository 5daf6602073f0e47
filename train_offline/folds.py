"""Which clip belongs to which fold."""

import warnings

import numpy as np
import numpy.typing as npt
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold


def assign_folds(targets: npt.NDArray[np.bool_], n_folds: int, seed: int) -> npt.NDArray[np.intp]:
    """Gives each clip the one fold in which it is validated; each label is spread over the folds as evenly as can be.

    Args:
        targets: [clips, labels].
        n_folds: how many folds.
        seed: of the ties.

    Returns:
        [clips] fold of each clip, 0 to n_folds - 1.

    Source: Sechidis et al. 2011, "On the stratification of multi-label data".
    """
    fold_of = np.full(len(targets), -1, np.intp)
    splitter = MultilabelStratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A label with fewer clips than folds is no fault: it is missing in some folds.
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, validation) in enumerate(splitter.split(np.zeros(len(targets)), targets.astype(int))):
            fold_of[validation] = fold
    return fold_of
