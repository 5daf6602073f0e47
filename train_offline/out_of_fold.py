"""Scores a weights folder again, each network on the clips that it has not seen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kernel_src.backend_names import EXACT
from kernel_src.errors import KernelError
from kernel_src.manifest import read_manifest
from kernel_src.weights import load_member, pick_device
from train_offline.curated import CuratedClips
from train_offline.dataset import CURATED, read_split, read_vocabulary
from train_offline.evaluate import Validation, validate
from train_offline.metric import lwlrap, lwlrap_per_label
from train_offline.recipes import SIZES


@dataclass(frozen=True)
class OutOfFoldScore:
    """The scores of a weights folder."""

    members: dict[str, Validation]
    """By the member's name."""
    lwlrap: float
    """Over all clips that one of the networks has not seen."""
    labels: tuple[str, ...]
    per_label: npt.NDArray[np.float64]
    """[labels] lwlrap of each label; NaN where no scored clip has it."""
    counts: npt.NDArray[np.intp]
    """[labels] scored clips with the label."""


def score_weights(data: Path, weights: Path) -> OutOfFoldScore:
    """Predicts the fold of every member through the kernel's own views.

    Args:
        data: the data set that the weights were trained on.
        weights: a weights folder.

    Raises:
        KernelError: data or weights cannot be used, or do not belong together.
    """
    manifest = read_manifest(weights)
    labels = read_vocabulary(data)
    split = read_split(data, CURATED, labels)
    created_with = manifest.created_with
    if labels != manifest.labels or split.digest != created_with.get("data"):
        raise KernelError(f"{weights}: was trained on other clips than those of {data}; give the data that it is from")
    size = SIZES[created_with["size"]]
    device = pick_device()
    withheld_share = created_with.get("withheld_share", 0.0)
    curated = CuratedClips.of(split, size.frontend, size.n_folds, created_with["seed"], withheld_share)
    results, logits, targets = {}, [], []
    for member in manifest.members:
        unseen = curated.unseen_by(member.fold)
        network = load_member(weights, member, len(labels), device, backend=EXACT)
        results[member.id] = validate(network, unseen.spectrograms, unseen.targets, member.id)
        logits.append(results[member.id].logits)
        targets.append(unseen.targets)
    truth, scores = np.concatenate(targets), np.concatenate(logits)
    return OutOfFoldScore(results, lwlrap(truth, scores), labels, lwlrap_per_label(truth, scores), truth.sum(axis=0))
