"""One network, its optimizer, its schedule and its running average."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from kernel_src.backends import multiplies_bfloat16
from kernel_src.model import SEDenseNet
from train_offline.batches import Batch
from train_offline.losses import tagging_loss
from train_offline.optimizers import optimizers_of
from train_offline.recipes import Recipe

Forward = Callable[[SEDenseNet, torch.Tensor], torch.Tensor]
"""A network and images, [batch, 1, mels, frames], to logits, [batch, labels]."""


def plain_forward(model: SEDenseNet, images: torch.Tensor) -> torch.Tensor:
    """The network computed as it is, one operation after the other."""
    logits: torch.Tensor = model(images)
    return logits


class LateLoss:
    """A loss that a GPU may still be computing; to look at it only later leaves the GPU with work in the meantime."""

    def __init__(self, loss: torch.Tensor) -> None:
        self._loss = loss.detach().to("cpu", non_blocking=True)
        self._ready: torch.cuda.Event | None = None
        if loss.device.type == "cuda":
            self._ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._ready.record()

    def value(self) -> float:
        """The loss, as soon as it is there."""
        if self._ready is not None:
            self._ready.synchronize()
        return float(self._loss)


class Optimization:
    """Makes a network better, step by step.

    Args:
        model: the network, on its device.
        recipe: how.
        peak_learning_rate: the top of the one-cycle schedule.
        steps: how many there will be.
        forward: how the network is computed.
    """

    def __init__(
        self,
        model: SEDenseNet,
        recipe: Recipe,
        peak_learning_rate: float,
        steps: int,
        forward: Forward = plain_forward,
    ) -> None:
        self._forward = forward
        self._model = model.train()
        self._device = next(model.parameters()).device
        self._lsep_share = recipe.lsep_share
        self._optimizers = optimizers_of(model, recipe, peak_learning_rate)
        self._schedules = [_one_cycle(optimizer, steps, recipe.warm_up_share) for optimizer in self._optimizers]
        average = get_ema_multi_avg_fn(recipe.average_decay)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
        self._average_from = steps - max(1, round(steps * recipe.averaged_share))
        self._dtype = torch.bfloat16 if multiplies_bfloat16(self._device) else None
        self.steps_done = 0

    @property
    def learning_rate(self) -> float:
        """AdamW's, of the next step."""
        return float(self._schedules[-1].get_last_lr()[0])

    def step(self, batch: Batch) -> LateLoss:
        """Learns from one batch; returns its loss."""
        images = batch.images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, self._dtype or torch.bfloat16, enabled=self._dtype is not None):
            logits = self._forward(self._model, images)
        loss = tagging_loss(logits, batch.targets, batch.weights, self._lsep_share)
        self._model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            optimizer.step()
            schedule.step()
        if self.steps_done >= self._average_from:
            self._average.update_parameters(self._model)
        self.steps_done += 1
        return LateLoss(loss)

    def current(self) -> SEDenseNet:
        """The network as it is now; the average once there is one."""
        if self.steps_done <= self._average_from:
            return self._model
        module = self._average.module
        assert isinstance(module, SEDenseNet)
        return module

    def state(self) -> dict[str, Any]:
        """All that the next steps depend on."""
        return {
            "steps_done": self.steps_done,
            "model": self._model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "schedules": [schedule.state_dict() for schedule in self._schedules],
            "average": self._average.state_dict(),
        }

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Takes a state up again."""
        self._model.load_state_dict(state["model"])
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        for schedule, kept in zip(self._schedules, state["schedules"], strict=True):
            schedule.load_state_dict(kept)
        self._average.load_state_dict(state["average"])
        self.steps_done = state["steps_done"]


def _one_cycle(optimizer: Optimizer, steps: int, warm_up_share: float) -> OneCycleLR:
    """Up to the optimizer's own learning rate. Muon's momentum stays; AdamW's falls as the rate rises."""
    (peak,) = {group["lr"] for group in optimizer.param_groups}
    return OneCycleLR(
        optimizer, peak, total_steps=steps + 1, pct_start=warm_up_share, cycle_momentum=isinstance(optimizer, AdamW)
    )
