"""The curated split with its spectrograms and folds, and which noisy clips each fold may learn from."""

import hashlib
import sys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from train_offline.batches import TrainingSet
from train_offline.dataset import Split
from train_offline.folds import WITHHELD, assign_folds
from train_offline.known_bad_clips import known_bad_among
from train_offline.spectrogram_cache import SpectrogramCache, default_cache
from train_offline.spectrogram_table import SpectrogramTable
from train_offline.spectrograms import spectrograms_of


@dataclass(frozen=True)
class CuratedClips:
    """Usable clips, each with its spectrogram and the fold in which it is validated."""

    split: Split
    spectrograms: SpectrogramTable
    digests: tuple[str, ...]
    """[clips] the same for the same sound."""
    fold_of: npt.NDArray[np.intp]
    """[clips] `WITHHELD` for clips that no fold has. Copies of a clip share its fold. Clips that cannot be used have
    folds, too, so that the others keep theirs when such a one is mended."""

    @classmethod
    def of(
        cls,
        split: Split,
        frontend: FrontendConfig,
        n_folds: int,
        seed: int,
        *,
        withheld_share: float = 0.0,
        cache: SpectrogramCache | None = None,
    ) -> "CuratedClips":
        """Computes spectrograms and folds; the same arguments give the same folds.

        Raises:
            KernelError: there are too few clips, or none can be used.
        """
        if len(split.labels) < 2:
            raise KernelError(f"{split.folder}: there is one label, {split.labels[0]}; expected two or more")
        split = without_known_bad(split)
        usable, cached = spectrograms_of(split, frontend, cache or SpectrogramCache(default_cache()))
        if len(usable.fnames) < 2 * n_folds:
            raise KernelError(f"{split.folder}: {len(usable.fnames)} usable clips are too few for {n_folds} folds")
        fold_of = assign_folds(split.targets, n_folds, seed, withheld_share)[cached.usable]
        curated = cls(usable, cached.table, cached.digests, _together(fold_of, cached.digests))
        for fold in range(n_folds):
            if len(curated.seen_by(fold).fnames) < 2 or not curated.unseen_by(fold).fnames:
                raise KernelError(
                    f"{split.folder}: fold {fold} has no clips to be scored on, or none to learn from; copies of a clip"
                    " share its fold, and more different ones are needed"
                )
        return curated

    @property
    def digest(self) -> str:
        """A short name for the clips that can be used, and whose copies they are; the folds follow, by the seed.

        It is the same on every machine, whose resampled sounds may differ in their last bits.
        """
        names = self.split.fnames
        rows = (f"{fname} {names[first]}" for fname, first in zip(names, _first_copies(self.digests), strict=True))
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]

    def seen_by(self, fold: int) -> TrainingSet:
        """The clips that the network of a fold learns from."""
        return self._part((self.fold_of != fold) & (self.fold_of != WITHHELD))

    def unseen_by(self, fold: int) -> TrainingSet:
        """The clips that the network of a fold is scored on."""
        return self._part(self.fold_of == fold)

    def withheld(self) -> TrainingSet:
        """The clips that no network has learnt from; there may be none."""
        return self._part(self.fold_of == WITHHELD)

    def hidden_from(self, fold: int) -> set[str]:
        """The digests of all sounds that the network of a fold must not hear in training, from wherever they come."""
        return {self.digests[clip] for clip in np.flatnonzero((self.fold_of == fold) | (self.fold_of == WITHHELD))}

    def _part(self, chosen: npt.NDArray[np.bool_]) -> TrainingSet:
        return _part(self.split, self.spectrograms, chosen)


@dataclass(frozen=True)
class NoisyClips:
    """The usable clips of the noisy split."""

    split: Split
    spectrograms: SpectrogramTable
    digests: tuple[str, ...]

    @classmethod
    def of(cls, split: Split, frontend: FrontendConfig, cache: SpectrogramCache) -> "NoisyClips":
        """Computes spectrograms.

        Raises:
            KernelError: no clip can be used.
        """
        usable, cached = spectrograms_of(without_known_bad(split), frontend, cache)
        return cls(usable, cached.table, cached.digests)

    def without(self, digests: set[str]) -> TrainingSet:
        """The clips that do not sound like those."""
        return _part(self.split, self.spectrograms, np.array([digest not in digests for digest in self.digests]))


def without_known_bad(split: Split) -> Split:
    """Leaves out the clips that are known to be bad, and says so."""
    bad = set(known_bad_among(split.fnames))
    if bad:
        print(f"{split.name}: {len(bad)} clips that are known to be bad are left out", file=sys.stderr)
    return split.subset(np.array([fname not in bad for fname in split.fnames]))


def _part(split: Split, spectrograms: SpectrogramTable, chosen: npt.NDArray[np.bool_]) -> TrainingSet:
    clips = np.flatnonzero(chosen)
    return TrainingSet([split.fnames[clip] for clip in clips], spectrograms.subset(clips), split.targets[clips])


def _together(fold_of: npt.NDArray[np.intp], digests: tuple[str, ...]) -> npt.NDArray[np.intp]:
    """Moves copies of a clip to the fold of the first of them: none is validated on what it has learnt from."""
    return fold_of[_first_copies(digests)]


def _first_copies(digests: tuple[str, ...]) -> list[int]:
    """[clips] the first clip that sounds the same; most often the clip itself."""
    first: dict[str, int] = {}
    return [first.setdefault(digest, clip) for clip, digest in enumerate(digests)]
