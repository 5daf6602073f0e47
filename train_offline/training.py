"""The training flow: recordings to a folder of fold weights."""

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.cpus import usable_cpus
from kernel_src.errors import KernelError
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import Member
from kernel_src.weights import device_name, pick_device
from train_offline.compilation import CompileChoice, Work, choose_forward
from train_offline.curated import CuratedClips, NoisyClips
from train_offline.dataset import CURATED, NOISY, Split, read_split, read_vocabulary
from train_offline.recipes import Recipe, Size, digest_of
from train_offline.spectrogram_cache import SpectrogramCache, default_cache
from train_offline.train_fold import FoldJob, steps_left, train_fold
from train_offline.weights_folder import WeightsFolder, member_name


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
    cache: Path | None = None
    """Where spectrograms are kept; None for the user's own cache."""
    compile: CompileChoice = "auto"
    """Whether the training step is compiled: where it pays, in any case, or never."""
    checkpoint_every_s: float = 60.0
    """How much work may be lost when the power goes."""


def train(settings: TrainingSettings) -> tuple[Member, ...]:
    """Trains the folds that are not there yet, and returns all members of the weights folder.

    Raises:
        KernelError: the data cannot be used, a fold does not exist, or the output folder belongs to another training.
    """
    size, recipe = settings.size, settings.recipe
    folds = settings.folds or tuple(range(size.n_folds))
    if wrong := [fold for fold in folds if not 0 <= fold < size.n_folds]:
        raise KernelError(f"--folds: there is no fold {wrong[0]}; size {size.name} has folds 0 to {size.n_folds - 1}")
    labels = read_vocabulary(settings.data)
    split = read_split(settings.data, CURATED, labels)
    noisy_split = _noisy_split(settings.data, labels) if recipe.uses_noisy else None
    device = pick_device()
    noisy_text = f" and {len(noisy_split.fnames)} noisy ones" if noisy_split else ""
    print(f"{len(split.fnames)} clips{noisy_text}, {len(labels)} labels; training on {device_name(device)}")

    created_with = {"recipe": recipe.name, "size": size.name, "seed": settings.seed, "data": split.digest}
    created_with |= {"epochs": size.epochs, "batch_clips": size.batch_clips, "withheld_share": settings.withheld_share}
    created_with |= {"n_folds": size.n_folds, "settings": digest_of(recipe, size)}
    created_with["noisy_data"] = noisy_split.digest if noisy_split else None
    cache = SpectrogramCache(settings.cache or default_cache())

    @lru_cache  # folds share the spectrograms that they have in common
    def clips_of(frontend: FrontendConfig) -> tuple[CuratedClips, NoisyClips | None]:
        curated = CuratedClips.of(
            split, frontend, size.n_folds, settings.seed, withheld_share=settings.withheld_share, cache=cache
        )
        return curated, NoisyClips.of(noisy_split, frontend, cache) if noisy_split else None

    sizes = {fold: recipe.size_of_fold(size, fold) for fold in folds}
    created_with["clips"] = clips_of(sizes[folds[0]].frontend)[0].digest
    folder = WeightsFolder(settings.out, labels, _priors(split.targets), created_with, again=settings.again)
    stop = threading.Event()
    jobs = [
        FoldJob(
            fold=fold,
            recipe=recipe,
            size=sizes[fold],
            seed=settings.seed * 1000 + fold,
            curated=clips_of(sizes[fold].frontend)[0],
            noisy=clips_of(sizes[fold].frontend)[1],
            folder=folder,
            device=device,
            checkpoint_every_s=settings.checkpoint_every_s,
            stop=stop,
        )
        for fold in folds
    ]
    with folder.alone_with(folds):
        folder.begin([member_name(fold, stage.name) for fold in folds for stage in recipe.stages])
        _side_by_side(jobs, settings.compile)
    return folder.members


def _noisy_split(data: Path, labels: tuple[str, ...]) -> Split | None:
    """The noisy split; not every data set has one."""
    if (data / f"{NOISY}.csv").exists():
        return read_split(data, NOISY, labels)
    print(f"{data}: there is no {NOISY}.csv; the stages that would use it learn from the curated clips alone")
    return None


def _side_by_side(jobs: list[FoldJob], choice: CompileChoice) -> None:
    """Trains folds side by side on CPU cores, one after the other on a GPU.

    A core for each fold does more than all cores for one: threads that share a network wait for each other after
    every operation, and when a neighbour takes a core, for the neighbour too.
    """
    at_a_time = min(len(jobs), usable_cpus()) if jobs[0].device.type == "cpu" else 1
    torch.set_num_threads(max(1, usable_cpus() // at_a_time))
    # Before the threads start, and with as many threads of torch's own as they will have: the code is made for both.
    forward = choose_forward(choice, _work(jobs, at_a_time))
    jobs = [replace(job, forward=forward) for job in jobs]
    with ThreadPoolExecutor(at_a_time, thread_name_prefix="fold") as pool:
        futures = [pool.submit(train_fold, job) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            jobs[0].stop.set()  # the others keep where they are in their checkpoints, and end
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _work(jobs: list[FoldJob], at_a_time: int) -> Work:
    job, left = jobs[0], [steps_left(job) for job in jobs]
    seen = job.curated.seen_by(job.fold)
    return Work(
        recipe=job.recipe,
        size=job.size,
        n_labels=seen.targets.shape[1],
        batch_clips=min(job.size.batch_clips, len(seen.fnames)),
        device=job.device,
        steps_left=max([*left, sum(left) // at_a_time]),
    )


def _priors(targets: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    """The share of clips with each label; one clip is added with and one without, so that none is 0 or 1."""
    return tuple(((targets.sum(axis=0) + 1) / (len(targets) + 2)).tolist())
