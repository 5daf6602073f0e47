"""Scores a weights folder again, each network on the clips that it has not seen."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kernel_src.backend_names import EXACT
from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import Manifest, read_manifest
from kernel_src.weights import load_member, pick_device
from train_offline.batches import TrainingSet
from train_offline.bootstrap import lwlrap_interval
from train_offline.curated import CuratedClips
from train_offline.dataset import CURATED, Split, read_split, read_vocabulary
from train_offline.evaluate import Float64, Validation, validate
from train_offline.metric import lwlrap, lwlrap_per_label
from train_offline.spectrogram_cache import SpectrogramCache, default_cache


@dataclass(frozen=True)
class OutOfFoldScore:
    """The scores of a weights folder."""

    members: dict[str, Validation]
    """By the member's name."""
    folds: str
    """As `folds_text` has them."""
    lwlrap: float
    """Over all clips that a fold's networks have not seen; a fold's networks are averaged."""
    interval: tuple[float, float]
    """In which 95 % of bootstrap samples of the clips lie."""
    labels: tuple[str, ...]
    per_label: npt.NDArray[np.float64]
    """[labels] lwlrap of each label; NaN where no scored clip has it."""
    counts: npt.NDArray[np.intp]
    """[labels] scored clips with the label."""
    fnames: tuple[str, ...]
    """The scored clips."""
    truth: npt.NDArray[np.bool_]
    """[clips, labels]"""
    probabilities: Float64
    """[clips, labels] the mean of a fold's networks."""


def check_that_they_belong_together(manifest: Manifest, split: Split, weights: Path, data: Path) -> None:
    """Whether the curated split is the one that the weights are from.

    Raises:
        KernelError: it is another one.
    """
    if split.labels != manifest.labels or split.digest != manifest.created_with.get("data"):
        raise KernelError(f"{weights}: was trained on other clips than those of {data}; give the data that it is from")


def folds_text(manifest: Manifest) -> str:
    """How many folds there are networks of, such as `2 of 6 folds`."""
    count, of = len({member.fold for member in manifest.members}), manifest.created_with.get("n_folds")
    return f"{count} of {of} folds" if isinstance(of, int) else f"{count} folds"


def score_weights(data: Path, weights: Path, cache: Path | None = None) -> OutOfFoldScore:
    """Predicts the fold of every member through the kernel's own views.

    Args:
        data: the data set that the weights were trained on.
        weights: a weights folder.
        cache: where spectrograms are kept; None for the user's own cache.

    Raises:
        KernelError: data or weights cannot be used, or do not belong together.
    """
    manifest = read_manifest(weights)
    labels = read_vocabulary(data)
    split = read_split(data, CURATED, labels)
    check_that_they_belong_together(manifest, split, weights, data)
    created_with = manifest.created_with
    n_folds, seed = created_with.get("n_folds"), created_with.get("seed")
    if not isinstance(n_folds, int) or not isinstance(seed, int):
        raise KernelError(f"{weights}: its manifest does not say which folds these are; train them again")
    device = pick_device()

    @lru_cache
    def curated(frontend: FrontendConfig) -> CuratedClips:
        withheld_share = created_with.get("withheld_share", 0.0)
        kept = SpectrogramCache(cache or default_cache())
        found = CuratedClips.of(split, frontend, n_folds, seed, withheld_share=withheld_share, cache=kept)
        if found.digest != created_with.get("clips", found.digest):
            raise KernelError(
                f"{weights}: was trained when other clips of {data} could be used, and its folds are others;"
                " train it again"
            )
        return found

    results: dict[str, Validation] = {}
    unseen: dict[int, TrainingSet] = {}
    of_fold: dict[int, list[Float64]] = {}
    for member in manifest.members:
        network = load_member(weights, member, len(labels), device, backend=EXACT)
        clips = unseen[member.fold] = curated(network.frontend).unseen_by(member.fold)
        results[member.id] = validate(network, clips.spectrograms, clips.targets, member.id)
        of_fold.setdefault(member.fold, []).append(results[member.id].probabilities)
    fnames = np.array([fname for clips in unseen.values() for fname in clips.fnames])
    order = np.argsort(fnames)  # the report's, for resamples depend on it
    truth = np.concatenate([clips.targets for clips in unseen.values()])[order]
    scores = np.concatenate([np.mean(said, axis=0) for said in of_fold.values()])[order]
    return OutOfFoldScore(
        members=results,
        folds=folds_text(manifest),
        lwlrap=lwlrap(truth, scores),
        interval=lwlrap_interval(truth, scores),
        labels=labels,
        per_label=lwlrap_per_label(truth, scores),
        counts=truth.sum(axis=0),
        fnames=tuple(fnames[order].tolist()),
        truth=truth,
        probabilities=scores,
    )
