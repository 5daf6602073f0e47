"""Which clip belongs to which fold."""

import warnings

import numpy as np
import numpy.typing as npt
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit

WITHHELD = -1
"""The fold of clips that no network learns from and none is scored on: only whole ensembles are judged by them."""


def assign_folds(
    targets: npt.NDArray[np.bool_], n_folds: int, seed: int, withheld_share: float = 0.0
) -> npt.NDArray[np.intp]:
    """Gives each clip the one fold in which it is validated; each label is spread over the folds as evenly as can be.

    Args:
        targets: [clips, labels].
        n_folds: how many folds.
        seed: of the ties.
        withheld_share: the share of all clips that is kept from every fold, with the same labels as the rest.

    Returns:
        [clips] fold of each clip, 0 to n_folds - 1, or `WITHHELD`.

    Source: Sechidis et al. 2011, "On the stratification of multi-label data".
    """
    fold_of = np.full(len(targets), WITHHELD, np.intp)
    rest = np.arange(len(targets))
    if withheld_share:
        withholding = MultilabelStratifiedShuffleSplit(1, test_size=withheld_share, random_state=seed)
        rest = np.sort(next(withholding.split(np.zeros(len(targets)), targets.astype(int)))[0])
    splitter = MultilabelStratifiedKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A label with fewer clips than folds is no fault: it is missing in some folds.
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, validation) in enumerate(splitter.split(np.zeros(len(rest)), targets[rest].astype(int))):
            fold_of[rest[validation]] = fold
    return fold_of
