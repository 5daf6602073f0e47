"""Trains one network on the clips of all folds but one."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kernel_src.errors import KernelError
from kernel_src.model import SEDenseNet
from train_offline.augment import mixup, random_crops, zoom_and_warp
from train_offline.progress import Progress
from train_offline.recipes import Recipe, Size
from train_offline.spectrograms import mean_and_std

Spectrogram = npt.NDArray[np.float16]


_INITIALISING = threading.Lock()


class StoppedError(Exception):
    """The training was told to stop."""


@dataclass(frozen=True)
class TrainingSet:
    """What a network learns from."""

    fnames: Sequence[str]
    spectrograms: Sequence[Spectrogram]
    """Each [mels, frames] float16."""
    targets: npt.NDArray[np.bool_]
    """[clips, labels]"""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network, and how its input is normalised."""

    model: SEDenseNet
    """In evaluation mode, on the CPU."""
    mean: float
    std: float


def train_network(
    clips: TrainingSet,
    *,
    recipe: Recipe,
    size: Size,
    seed: int,
    device: torch.device,
    title: str,
    stop: threading.Event | None = None,
) -> TrainedNetwork:
    """Trains from scratch and returns the average of the last steps' weights.

    Nothing is chosen on a validation fold, so the fold's score is an honest one.

    Args:
        clips: the training clips alone; the validation fold must not be among them.
        recipe: how.
        size: how much.
        seed: of weights, order and augmentation.
        device: where.
        title: shown beside the progress.
        stop: when it is set, training ends before the next step.

    Raises:
        StoppedError: `stop` was set.
        KernelError: the loss is not finite, or there are too few clips for a batch.
    """
    n_clips = len(clips.spectrograms)
    batch_clips = min(size.batch_clips, n_clips)
    if batch_clips < 2:
        raise KernelError(f"{title}: {n_clips} clips to train on; expected at least 2")
    mean, std = mean_and_std(list(clips.spectrograms))
    with _INITIALISING:  # the global generator belongs to all threads
        torch.manual_seed(seed)
        model = SEDenseNet(size.model(clips.targets.shape[1])).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    steps = size.epochs * (n_clips // batch_clips)
    loop = _Loop(model, recipe, steps, device)
    batches = _Batches(clips, recipe, size, batch_clips, seed, mean, std, device)
    with Progress(title, steps * batch_clips, "clip") as progress:
        for step, (names, images, targets) in enumerate(batches):
            if stop is not None and stop.is_set():
                raise StoppedError(title)
            loss = loop.step(images, targets)
            if not np.isfinite(loss):
                raise KernelError(
                    f"{title}, step {step}: the loss is {loss} on {', '.join(names)};"
                    " look at these clips, or lower the recipe's peak_learning_rate"
                )
            progress.advance(batch_clips, f"epoch {1 + step * size.epochs // steps} of {size.epochs}, loss {loss:.4f}")
    return TrainedNetwork(loop.averaged().cpu().eval(), mean, std)


@dataclass(frozen=True)
class _Batches:
    """Augmented batches, in an order of their own for each epoch; the last part of a batch is left out."""

    clips: TrainingSet
    recipe: Recipe
    size: Size
    batch_clips: int
    seed: int
    mean: float
    std: float
    device: torch.device

    def __iter__(self) -> Iterator[tuple[list[str], torch.Tensor, torch.Tensor]]:
        """Yields file names, images [batch, 1, mels, frames] and targets [batch, labels]."""
        generator = torch.Generator().manual_seed(self.seed)
        for epoch in range(self.size.epochs):
            rng = np.random.default_rng((self.seed, epoch))
            order = rng.permutation(len(self.clips.spectrograms))
            for first in range(0, len(order) - self.batch_clips + 1, self.batch_clips):
                rows = order[first : first + self.batch_clips].tolist()
                yield [self.clips.fnames[row] for row in rows], *self._augmented(rows, rng, generator)

    def _augmented(
        self, rows: list[int], rng: np.random.Generator, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        recipe, size = self.recipe, self.size
        spectrograms = [self.clips.spectrograms[row] for row in rows]
        images = random_crops(spectrograms, size.crop_frames, size.frontend.silence, rng).to(self.device)
        targets = torch.from_numpy(self.clips.targets[rows].astype(np.float32)).to(self.device)
        images = zoom_and_warp((images - self.mean) / self.std, recipe.max_zoom, recipe.max_warp, generator)
        return mixup(images, targets, recipe.mixup_alpha, rng)


class _Loop:
    """One network, its optimizer, its schedule and its running average."""

    def __init__(self, model: SEDenseNet, recipe: Recipe, steps: int, device: torch.device) -> None:
        self._model = model.train()
        self._device = device
        self._optimizer = torch.optim.AdamW(
            model.parameters(), lr=recipe.peak_learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer, recipe.peak_learning_rate, total_steps=steps, pct_start=recipe.warm_up_share
        )
        average = get_ema_multi_avg_fn(recipe.average_decay)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
        self._average_from = steps - max(1, round(steps * recipe.averaged_share))
        self._steps_done = 0
        self._dtype = _fast_dtype(device)

    def step(self, images: torch.Tensor, targets: torch.Tensor) -> float:
        """Learns from one batch; returns its loss."""
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, self._dtype or torch.bfloat16, enabled=self._dtype is not None):
            logits = self._model(images)
        loss = F.binary_cross_entropy_with_logits(logits, targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._schedule.step()
        if self._steps_done >= self._average_from:
            self._average.update_parameters(self._model)
        self._steps_done += 1
        return float(loss.detach())

    def averaged(self) -> SEDenseNet:
        """The network with the averaged weights and batch-norm statistics."""
        module = self._average.module
        assert isinstance(module, SEDenseNet)
        return module


def _fast_dtype(device: torch.device) -> torch.dtype | None:
    """bfloat16 where the device computes with it, None for plain float32."""
    if device.type == "cuda":
        # is_bf16_supported() counts emulation, which is slow: cards before Ampere have none of their own.
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else None
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else None  # noqa: SLF001 - the only way to ask
