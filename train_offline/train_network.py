"""Trains one network through one stage."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from kernel_src.errors import KernelError
from kernel_src.model import SEDenseNet
from train_offline.ahead import ahead
from train_offline.batches import Batches, Normalisation, Source
from train_offline.checkpoints import Checkpoint
from train_offline.evaluate import StoppedError
from train_offline.optimization import Forward, LateLoss, Optimization, plain_forward
from train_offline.progress import Progress
from train_offline.recipes import Recipe, Size, Stage
from train_offline.training_log import EpochLog

_INITIALISING = threading.Lock()

GPU_THREADS = 4
"""Threads that draw the batches of a GPU, which computes a step in less time than it takes to read and launch one."""

LOOKS = 10
"""How often in a stage the network is scored on clips that it has not seen, to be watched; nothing is chosen by it."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network, and how its input is normalised."""

    model: SEDenseNet
    """In evaluation mode, on the CPU."""
    normalisation: Normalisation


@dataclass(frozen=True)
class Watch:
    """What stands beside a training: where it is kept, what is told of it, and who may end it."""

    title: str
    """Shown beside the progress."""
    log: EpochLog
    checkpoint: Checkpoint | None = None
    score: Callable[[SEDenseNet], float] | None = None
    """Lwlrap on clips that the network has not seen."""
    stop: threading.Event = field(default_factory=threading.Event)
    """When it is set, training ends before the next step."""


def new_network(recipe: Recipe, size: Size, n_labels: int, seed: int) -> SEDenseNet:
    """A network with random weights."""
    with _INITIALISING:  # the global generator belongs to all threads
        torch.manual_seed(seed)
        return SEDenseNet(size.model(n_labels, recipe.padding))


def train_network(
    start: TrainedNetwork,
    sources: Sequence[Source],
    *,
    recipe: Recipe,
    size: Size,
    stage: Stage,
    steps: int,
    seed: int,
    device: torch.device,
    watch: Watch,
    forward: Forward = plain_forward,
) -> TrainedNetwork:
    """Trains a network further and returns the average of the last steps' weights.

    Nothing is chosen on a validation fold, so the fold's score is an honest one. A training with a checkpoint goes on
    from there, to what it would have become without the interruption.

    Args:
        start: the network; it is changed.
        sources: the training clips alone; the validation fold must not be among them.
        recipe: how.
        size: how much.
        stage: which part of the recipe.
        steps: how many batches.
        seed: of order and augmentation.
        device: where.
        watch: what stands beside it.
        forward: how the network is computed.

    Raises:
        StoppedError: `watch.stop` was set.
        KernelError: the loss is not finite, there are too few clips for a batch, or the GPU's memory is too small.
    """
    n_clips = sum(len(source.fnames) for source in sources)
    if n_clips < 2:
        raise KernelError(f"{watch.title}: {n_clips} clips to train on; expected at least 2")
    try:
        # Torch's stub lacks the overload with memory_format.
        model = start.model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimization = Optimization(model, recipe, stage.peak_learning_rate, steps, forward)
        batches = Batches(
            sources,
            recipe.augmentation,
            frontend=size.frontend,
            crop_frames=size.crop_frames,
            padding=None if recipe.padding == "repeat" else size.frontend.silence,
            normalisation=start.normalisation,
            batch_clips=min(size.batch_clips, n_clips),
            seed=seed,
            device=device,
        )
        on_gpu = device.type == "cuda"
        _Run(optimization, batches, watch, stage.name, steps, losses_behind=int(on_gpu)).run(GPU_THREADS * on_gpu)
    except torch.cuda.OutOfMemoryError as error:
        raise KernelError(
            f"{watch.title}: the GPU's memory is too small for batches of {size.batch_clips} clips;"
            f" lower them, such as --batch-clips {max(2, size.batch_clips // 2)}"
        ) from error
    return TrainedNetwork(optimization.current().cpu().eval(), start.normalisation)


class _Run:
    """The steps of a stage, from the first or from the checkpoint to the last.

    Losses are looked at `losses_behind` steps late, so that the next steps are there before a GPU is done with one.
    """

    def __init__(
        self,
        optimization: Optimization,
        batches: Batches,
        watch: Watch,
        stage: str,
        steps: int,
        *,
        losses_behind: int,
    ) -> None:
        self._optimization = optimization
        self._batches = batches
        self._watch = watch
        self._stage = stage
        self._steps = steps
        self._epochs = -(-steps // batches.steps_per_epoch)
        self._seconds_before_s = 0.0
        self._began_s = time.perf_counter()
        self._losses_behind = losses_behind
        self._losses: deque[tuple[int, tuple[str, ...], LateLoss]] = deque()
        self._last_loss: float | None = None
        self._epoch_losses: list[float] = []
        self._epoch_clips = 0
        self._epoch_began_s = self._began_s

    def run(self, threads: int) -> None:
        self._go_on()
        try:
            self._take_steps(threads)
        except StoppedError:
            self._save()
            raise
        self._save()  # what comes of the network may take minutes, too, or find no room

    def _take_steps(self, threads: int) -> None:
        batches, watch = self._batches, self._watch
        todo = range(self._optimization.steps_done, self._steps)
        with Progress(watch.title, len(todo), "step") as progress, closing(ahead(batches.batch, todo, threads)) as made:
            for step in todo:
                if watch.stop.is_set():
                    raise StoppedError(watch.title)
                batch = next(made)
                self._losses.append((step, batch.fnames, self._optimization.step(batch)))
                self._settle(self._losses_behind)
                self._epoch_clips += len(batch.fnames)
                if (step + 1) % batches.steps_per_epoch == 0 or step + 1 == self._steps:
                    self._end_epoch(step)
                if watch.checkpoint:
                    watch.checkpoint.save_now_and_then(self._state)
                progress.advance(1, self._note(step))

    def _settle(self, but: int) -> None:
        """Looks at the losses of all steps but the last few."""
        while len(self._losses) > but:
            step, fnames, late = self._losses.popleft()
            loss = late.value()
            if not np.isfinite(loss):
                raise KernelError(
                    f"{self._watch.title}, step {step}: the loss is {loss} on {', '.join(fnames)};"
                    " look at these clips, or lower the recipe's peak_learning_rate"
                )
            self._last_loss = loss
            self._epoch_losses.append(loss)

    def _note(self, step: int) -> str:
        loss = "" if self._last_loss is None else f", loss {self._last_loss:.4f}"
        scores = [entry["val_lwlrap"] for entry in self._watch.log.entries if "val_lwlrap" in entry]
        score = f", lwlrap {scores[-1]:.3f}" if scores else ""
        return f"epoch {1 + step // self._batches.steps_per_epoch} of {self._epochs}{loss}{score}"

    def _end_epoch(self, step: int) -> None:
        self._settle(0)
        epoch = 1 + step // self._batches.steps_per_epoch
        now_s = time.perf_counter()
        entry: dict[str, Any] = {
            "stage": self._stage,
            "epoch": epoch,
            "step": step + 1,
            "loss": float(np.mean(self._epoch_losses)),
            "learning_rate": self._optimization.learning_rate,
            "seconds_s": round(self._seconds_before_s + now_s - self._began_s, 3),
            "clips_per_s": round(self._epoch_clips / max(now_s - self._epoch_began_s, 1e-9), 2),
        }
        last = step + 1 == self._steps
        try:
            if self._watch.score and (last or epoch % max(1, self._epochs // LOOKS) == 0):
                model = self._optimization.current()
                was_training = model.training
                entry["val_lwlrap"] = self._watch.score(model.eval())
                model.train(was_training)
        finally:  # also where the training is stopped meanwhile: the epoch is over
            self._watch.log.add(entry)
            self._epoch_losses, self._epoch_clips, self._epoch_began_s = [], 0, time.perf_counter()

    def _state(self) -> dict[str, Any]:
        self._settle(0)
        seconds_s = self._seconds_before_s + time.perf_counter() - self._began_s
        return {
            "optimization": self._optimization.state(),
            "seconds_s": seconds_s,
            "epoch": json.dumps({"losses": self._epoch_losses}),
            "log": json.dumps(self._watch.log.entries),
        }

    def _save(self) -> None:
        if self._watch.checkpoint:
            self._watch.checkpoint.save(self._state())

    def _go_on(self) -> None:
        state = self._watch.checkpoint.load() if self._watch.checkpoint else None
        if state is None:
            self._watch.log.restart([])
            return
        self._optimization.go_on_from(state["optimization"])
        self._seconds_before_s = state["seconds_s"]
        self._epoch_losses = json.loads(state["epoch"])["losses"]
        self._watch.log.restart(json.loads(state["log"]))
