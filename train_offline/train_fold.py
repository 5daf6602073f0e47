"""Trains one fold through all stages of a recipe. It is a plain function of its job: others may call it anywhere."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from kernel_src.backend_names import EXACT, GRAPHED
from kernel_src.backends import usual
from kernel_src.manifest import Member
from kernel_src.model import SEDenseNet
from kernel_src.weights import LoadedMember
from train_offline.batches import Normalisation, Source, TrainingSet
from train_offline.checkpoints import Checkpoint
from train_offline.curated import CuratedClips, NoisyClips
from train_offline.evaluate import Validation, mean_probabilities, validate
from train_offline.metric import lwlrap
from train_offline.noisy_pick import pick_balanced
from train_offline.optimization import Forward, plain_forward
from train_offline.recipes import NoisyUse, Recipe, Size, Stage
from train_offline.spectrograms import mean_and_std
from train_offline.train_network import TrainedNetwork, Watch, new_network, train_network
from train_offline.training_log import EpochLog, logged_steps, picks_path, write_out_of_fold, write_picks
from train_offline.training_record import read_picks
from train_offline.weights_folder import WeightsFolder, member_name

PICK_VIEWS = 4
"""Views of a noisy clip that are averaged before it is picked: 16 s of it, end to end."""


@dataclass(frozen=True)
class FoldJob:
    """All that the training of one fold needs."""

    fold: int
    recipe: Recipe
    size: Size
    seed: int
    curated: CuratedClips
    noisy: NoisyClips | None
    """None where no stage of the recipe wants them, or there are none."""
    folder: WeightsFolder
    """Where networks go, and from where a training goes on."""
    device: torch.device
    forward: Forward = plain_forward
    """How the network is computed in training."""
    checkpoint_every_s: float = 60.0
    stop: threading.Event = field(default_factory=threading.Event)
    """Ends the training before its next step."""


def train_fold(job: FoldJob) -> list[Member]:
    """Trains the stages that are not there yet, each from the network of the one before.

    No clip of the fold, and no copy of one, reaches the training or the pick: they are taken out first.

    Returns:
        The fold's members, in the order of the stages.

    Raises:
        StoppedError: `job.stop` was set; what was done so far is kept in a checkpoint.
        KernelError: the loss is not finite, a file cannot be read or written, or the GPU's memory is too small.
    """
    exported: list[Member] = []
    before: Member | None = None
    for number, stage in enumerate(job.recipe.stages):
        if _is_done_with(job, number):
            continue
        member = job.folder.finished(job.fold, stage.name)
        if member:
            print(f"{member.id} is there already, out-of-fold lwlrap {member.oof_lwlrap:.4f}; --again trains it anew")
        else:
            member = _train_stage(job, number, job.folder.network(before) if before else _new(job))
        before = member
        exported += [member] if stage.exported else []
    return exported


def _is_done_with(job: FoldJob, number: int) -> bool:
    """Whether a stage is only a step on the way, and all that came of it is there."""
    stage, *later = job.recipe.stages[number:]
    return not stage.exported and all(job.folder.finished(job.fold, other.name) for other in later)


def _new(job: FoldJob) -> TrainedNetwork:
    """Random weights; the input is normalised by what the fold's training clips are like."""
    seen = job.curated.seen_by(job.fold)
    model = new_network(job.recipe, job.size, seen.targets.shape[1], job.seed)
    return TrainedNetwork(model, Normalisation(*mean_and_std(seen.spectrograms)))


def _train_stage(job: FoldJob, number: int, start: TrainedNetwork) -> Member:
    stage = job.recipe.stages[number]
    member_id = member_name(job.fold, stage.name)
    seen, unseen = job.curated.seen_by(job.fold), job.curated.unseen_by(job.fold)
    sources = [Source.of(seen)]
    if stage.noisy:
        sources += _noisy_source(job, stage, stage.noisy, start)
    checkpoint = Checkpoint(
        _checkpoint_path(job, stage),
        job.folder.identity(fold=job.fold, stage=stage.name),
        job.checkpoint_every_s,
    )
    log = EpochLog(_log_path(job, stage))
    score = lambda model: _glance(job, start, model, unseen)  # noqa: E731
    network = train_network(
        start,
        sources,
        recipe=job.recipe,
        size=job.size,
        stage=stage,
        steps=stage_steps(stage, job.size, len(seen.fnames)),
        seed=job.seed * len(job.recipe.stages) + number,
        device=job.device,
        watch=Watch(f"fold {job.fold} {stage.name}", log, checkpoint, score, job.stop),
        forward=job.forward,
    )
    validation = _validate(job, network, unseen)
    write_out_of_fold(job.folder.path, member_id, unseen, validation.probabilities)
    member = job.folder.save(network, job.size.frontend, fold=job.fold, stage=stage, score=validation)
    checkpoint.remove()
    print(f"{member.id}: out-of-fold lwlrap {validation.lwlrap:.4f} on {len(unseen.fnames)} clips")
    return member


def stage_steps(stage: Stage, size: Size, n_curated: int) -> int:
    """How many batches a stage has: as many as its epochs over the curated clips, whatever else it learns from."""
    return max(1, round(stage.epochs_share * size.epochs * max(1, n_curated // size.batch_clips)))


def steps_left(job: FoldJob) -> int:
    """How many steps a fold has before it, of all stages: those that a checkpoint has behind it do not count."""
    left, n_curated = 0, len(job.curated.seen_by(job.fold).fnames)
    for number, stage in enumerate(job.recipe.stages):
        if job.folder.finished(job.fold, stage.name) or _is_done_with(job, number):
            continue
        done = logged_steps(_log_path(job, stage)) if _checkpoint_path(job, stage).exists() else 0
        left += max(0, stage_steps(stage, job.size, n_curated) - done)
    return left


def _checkpoint_path(job: FoldJob, stage: Stage) -> Path:
    return job.folder.training_path / f"{member_name(job.fold, stage.name)}.checkpoint"


def _log_path(job: FoldJob, stage: Stage) -> Path:
    return job.folder.training_path / f"{member_name(job.fold, stage.name)}.jsonl"


def _noisy_source(job: FoldJob, stage: Stage, use: NoisyUse, network: TrainedNetwork) -> list[Source]:
    """The noisy clips that a stage learns from, chosen by this fold's network alone."""
    if job.noisy is None:
        return []
    noisy = job.noisy.without(job.curated.hidden_from(job.fold))
    clips = np.arange(len(noisy.fnames))
    targets = noisy.targets.astype(np.float32)
    kept = _picked_before(job, stage, noisy) if use.pick and not use.soft_share else None
    if kept is not None:
        print(f"fold {job.fold}: the {len(kept)} of {len(clips)} noisy clips that were picked before")
        clips = np.array(kept, np.intp)
    elif use.pick or use.soft_share:
        member = _as_member(job, network)
        said = mean_probabilities(member, noisy.spectrograms, PICK_VIEWS, f"fold {job.fold} noisy clips", job.stop)
        network.model.cpu()
        if use.pick:
            picks = pick_balanced(noisy.targets, said, use.pick)
            write_picks(job.folder.path, job.fold, picks, noisy, job.curated.split.labels)
            print(f"fold {job.fold}: {len(picks)} of {len(clips)} noisy clips picked")
            clips = np.array(sorted(pick.clip for pick in picks), np.intp)
        targets = ((1 - use.soft_share) * targets + use.soft_share * said).astype(np.float32)
    if not len(clips):
        return []
    fnames = [noisy.fnames[clip] for clip in clips.tolist()]
    return [Source(fnames, noisy.spectrograms.subset(clips), targets[clips], use.weight)]


def _picked_before(job: FoldJob, stage: Stage, noisy: TrainingSet) -> list[int] | None:
    """What an interrupted training had picked: its checkpoint goes on with the same clips, whatever computes now."""
    path = picks_path(job.folder.path, job.fold)
    if not (path.exists() and _checkpoint_path(job, stage).exists()):
        return None
    place_of = {fname: place for place, fname in enumerate(noisy.fnames)}
    fnames = [pick.fname for pick in read_picks(path)]
    return sorted(place_of[fname] for fname in fnames) if place_of.keys() >= set(fnames) else None


def _as_member(job: FoldJob, network: TrainedNetwork, backend: str | None = None) -> LoadedMember:
    """The network as the kernel would have it, with a given backend or the likeliest one.

    No graph is captured: it would not pay in one look, and training may go on with the same weights.
    """
    quick = usual(job.device)
    model = network.model.to(job.device).eval()
    return LoadedMember(
        id="",
        model=model,
        frontend=job.size.frontend,
        mean=network.normalisation.mean,
        std=network.normalisation.std,
        oof_lwlrap=None,
        backend=backend or GRAPHED.get(quick, quick),
    )


def _validate(job: FoldJob, network: TrainedNetwork, unseen: TrainingSet) -> Validation:
    """What a network makes of the fold that it has not been trained on, to be had again on any machine."""
    title = f"fold {job.fold} out-of-fold score"
    result = validate(_as_member(job, network, EXACT), unseen.spectrograms, unseen.targets, title, job.stop)
    network.model.cpu()
    return result


def _glance(job: FoldJob, start: TrainedNetwork, model: SEDenseNet, unseen: TrainingSet) -> float:
    """Lwlrap of the first view of each clip of the fold, to be watched."""
    member = _as_member(job, TrainedNetwork(model, start.normalisation))
    return lwlrap(unseen.targets, mean_probabilities(member, unseen.spectrograms, 1, title=None, stop=job.stop))
