"""The training flow: recordings to a folder of fold weights."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.cpus import usable_cpus
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
    withheld_share: float = 0.0
    """The share of curated clips that no fold sees, by which a whole ensemble can be judged."""
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
    created_with |= {"epochs": size.epochs, "withheld_share": settings.withheld_share}
    folder = WeightsFolder(settings.out, labels, _priors(split.targets), created_with, again=settings.again)
    curated = CuratedClips.of(split, size.frontend, size.n_folds, settings.seed, settings.withheld_share)
    todo = [fold for fold in folds if not _is_finished(folder, fold)]
    if todo:
        _side_by_side(_FoldTraining(settings, folder, curated, device, threading.Event()), todo)
    return folder.members


def _is_finished(folder: WeightsFolder, fold: int) -> bool:
    done = folder.finished(fold, CURATED_STAGE)
    if done:
        print(f"{done.id} is there already, out-of-fold lwlrap {done.oof_lwlrap:.4f}; --again trains it anew")
    return done is not None


@dataclass(frozen=True)
class _FoldTraining:
    """All stages of a fold."""

    settings: TrainingSettings
    folder: WeightsFolder
    curated: CuratedClips
    device: torch.device
    stop: threading.Event
    """Ends the training before its next step."""

    def run(self, fold: int) -> None:
        recipe, size = self.settings.recipe, self.settings.size
        network = train_network(
            self.curated.seen_by(fold),
            recipe=recipe,
            size=size,
            seed=self.settings.seed * 1000 + fold,
            device=self.device,
            title=f"fold {fold}",
            stop=self.stop,
        )
        unseen = self.curated.unseen_by(fold)
        score = _score(network, size.frontend, unseen, self.device)
        saved = self.folder.save(network, size.frontend, fold=fold, stage=CURATED_STAGE, score=score)
        print(f"{saved.id}: out-of-fold lwlrap {score.lwlrap:.4f} on {len(unseen.fnames)} clips")
        # A recipe's noisy stages belong here: predict the noisy split with this fold's network alone, pick the
        # clips that it agrees with, train on both splits, and save the result as a further stage of the same fold.


def _side_by_side(training: _FoldTraining, folds: list[int]) -> None:
    """Trains folds side by side on CPU cores, one after the other on a GPU.

    A core for each fold does more than all cores for one: threads that share a network wait for each other after
    every operation, and when a neighbour takes a core, for the neighbour too.
    """
    at_a_time = min(len(folds), usable_cpus()) if training.device.type == "cpu" else 1
    torch.set_num_threads(max(1, usable_cpus() // at_a_time))
    with ThreadPoolExecutor(at_a_time, thread_name_prefix="fold") as pool:
        futures = [pool.submit(training.run, fold) for fold in folds]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            training.stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


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
