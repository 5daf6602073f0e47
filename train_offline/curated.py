"""The curated split with its spectrograms and folds, ready to be learnt from or scored on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from train_offline.dataset import Split
from train_offline.folds import WITHHELD, assign_folds
from train_offline.spectrograms import Spectrogram, spectrograms_of
from train_offline.train_fold import TrainingSet


@dataclass(frozen=True)
class CuratedClips:
    """Usable clips, each with its spectrogram and the fold in which it is validated."""

    split: Split
    spectrograms: Sequence[Spectrogram]
    fold_of: npt.NDArray[np.intp]
    """[clips] `WITHHELD` for clips that no fold has."""

    @classmethod
    def of(
        cls, split: Split, frontend: FrontendConfig, n_folds: int, seed: int, withheld_share: float = 0.0
    ) -> "CuratedClips":
        """Computes spectrograms and folds; the same arguments give the same folds.

        Raises:
            KernelError: there are too few clips, or none can be used.
        """
        if len(split.fnames) < 2 * n_folds:
            raise KernelError(f"{split.folder}: {len(split.fnames)} clips are too few for {n_folds} folds")
        usable, spectrograms = spectrograms_of(split, frontend)
        return cls(usable, spectrograms, assign_folds(usable.targets, n_folds, seed, withheld_share))

    def seen_by(self, fold: int) -> TrainingSet:
        """The clips that the network of a fold learns from."""
        return self._part((self.fold_of != fold) & (self.fold_of != WITHHELD))

    def unseen_by(self, fold: int) -> TrainingSet:
        """The clips that the network of a fold is scored on."""
        return self._part(self.fold_of == fold)

    def withheld(self) -> TrainingSet:
        """The clips that no network has learnt from; there may be none."""
        return self._part(self.fold_of == WITHHELD)

    def _part(self, chosen: npt.NDArray[np.bool_]) -> TrainingSet:
        clips: list[int] = np.flatnonzero(chosen).tolist()
        return TrainingSet(
            [self.split.fnames[clip] for clip in clips],
            [self.spectrograms[clip] for clip in clips],
            self.split.targets[clips],
        )
