"""The training flow: recordings to a folder of fold weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import Member
from kernel_src.weights import LoadedMember, device_name, pick_device
from train_offline.curated import CuratedClips
from train_offline.dataset import CURATED, read_split, read_vocabulary
from train_offline.evaluate import Validation, validate
from train_offline.recipes import Recipe, Size
from train_offline.train_fold import TrainedNetwork, TrainingSet, train_network
from train_offline.weights_folder import WeightsFolder

CURATED_STAGE = "curated"


@dataclass(frozen=True)
class TrainingSettings:
    """One training."""

    data: Path
    """A folder in the competition's layout."""
    out: Path
    """Where the weights go."""
    recipe: Recipe
    size: Size
    folds: tuple[int, ...]
    """Which folds to train; () for all."""
    seed: int = 0
    again: bool = False
    """Whether to train anew what is there already."""


def train(settings: TrainingSettings) -> tuple[Member, ...]:
    """Trains the folds that are not there yet, and returns all members of the weights folder.

    Raises:
        KernelError: the data cannot be used, a fold does not exist, or the output folder belongs to another training.
    """
    size = settings.size
    folds = settings.folds or tuple(range(size.n_folds))
    if wrong := [fold for fold in folds if not 0 <= fold < size.n_folds]:
        raise KernelError(f"--folds: there is no fold {wrong[0]}; size {size.name} has folds 0 to {size.n_folds - 1}")
    labels = read_vocabulary(settings.data)
    split = read_split(settings.data, CURATED, labels)
    device = pick_device()
    print(f"{len(split.fnames)} clips, {len(labels)} labels; training on {device_name(device)}")

    created_with = {"recipe": settings.recipe.name, "size": size.name, "seed": settings.seed, "data": split.digest}
    folder = WeightsFolder(settings.out, labels, _priors(split.targets), created_with, again=settings.again)
    curated = CuratedClips.of(split, size.frontend, size.n_folds, settings.seed)
    for fold in folds:
        _train_fold(settings, folder, curated, fold, device)
    return folder.members


def _train_fold(
    settings: TrainingSettings, folder: WeightsFolder, curated: CuratedClips, fold: int, device: torch.device
) -> None:
    """All stages of one fold."""
    if done := folder.finished(fold, CURATED_STAGE):
        print(f"{done.id} is there already, out-of-fold lwlrap {done.oof_lwlrap:.4f}; --again trains it anew")
        return
    network = train_network(
        curated.seen_by(fold),
        recipe=settings.recipe,
        size=settings.size,
        seed=settings.seed * 1000 + fold,
        device=device,
        title=f"fold {fold}",
    )
    unseen = curated.unseen_by(fold)
    score = _score(network, settings.size.frontend, unseen, device)
    saved = folder.save(network, settings.size.frontend, fold=fold, stage=CURATED_STAGE, score=score)
    print(f"{saved.id}: out-of-fold lwlrap {score.lwlrap:.4f} on {len(unseen.fnames)} clips")
    # A recipe's noisy stages belong here: predict the noisy split with this fold's network alone, pick the clips
    # that it agrees with, train on both splits, and save the result as a further stage of the same fold.


def _score(network: TrainedNetwork, frontend: FrontendConfig, unseen: TrainingSet, device: torch.device) -> Validation:
    """What a network makes of the fold that it has not been trained on."""
    model = network.model.to(device)
    member = LoadedMember("", model, frontend, network.mean, network.std, oof_lwlrap=None)
    result = validate(member, unseen.spectrograms, unseen.targets, "out-of-fold score")
    model.cpu()
    return result


def _priors(targets: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    """The share of clips with each label; one clip is added with and one without, so that none is 0 or 1."""
    return tuple(((targets.sum(axis=0) + 1) / (len(targets) + 2)).tolist())
