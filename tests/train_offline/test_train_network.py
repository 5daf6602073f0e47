import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_settings import TINY

from kernel_src.errors import KernelError
from kernel_src.model import SEDenseNet
from train_offline.batches import Normalisation, Source
from train_offline.checkpoints import Checkpoint
from train_offline.evaluate import StoppedError
from train_offline.optimization import Forward, plain_forward
from train_offline.recipes import BEST, SILVER, Recipe, Stage
from train_offline.spectrogram_table import SpectrogramTable
from train_offline.train_network import TrainedNetwork, Watch, new_network, train_network
from train_offline.training_log import EpochLog

STAGE = SILVER.stages[0]
STEPS = 12
CPU = torch.device("cpu")
DEVICES = [CPU, pytest.param(torch.device("cuda", 0), marks=pytest.mark.gpu)]


def source(n_clips: int = 20, n_labels: int = 3) -> Source:
    spectrograms = [np.random.default_rng(index).random((16, 20)).astype(np.float16) for index in range(n_clips)]
    targets = np.eye(n_clips, n_labels, dtype=np.float32)
    return Source([f"clip{index}" for index in range(n_clips)], SpectrogramTable.of(spectrograms), targets)


def trained(
    *,
    recipe: Recipe = SILVER,
    stage: Stage = STAGE,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    stop: threading.Event | None = None,
    sources: list[Source] | None = None,
    forward: Forward = plain_forward,
    device: torch.device = CPU,
    score: Callable[[SEDenseNet], float] | None = None,
    log: EpochLog | None = None,
) -> dict[str, torch.Tensor]:
    start = TrainedNetwork(new_network(recipe, TINY, 3, seed), Normalisation(0.5, 0.3))
    watch = Watch("test", log or EpochLog(None), checkpoint, score, stop or threading.Event())
    network = train_network(
        start,
        sources or [source()],
        recipe=recipe,
        size=TINY,
        stage=stage,
        steps=STEPS,
        seed=seed,
        device=device,
        watch=watch,
        forward=forward,
    )
    return network.model.state_dict()


class StopsAfter(threading.Event):
    """Is set when it has been asked so many times."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._steps_left = steps

    def is_set(self) -> bool:
        self._steps_left -= 1
        return self._steps_left < 0


@pytest.mark.parametrize("recipe", [SILVER, BEST], ids=["silver", "best"])
def test_the_same_seed_trains_the_same_network(recipe: Recipe) -> None:
    states = [trained(recipe=recipe, seed=seed) for seed in (0, 0, 1)]
    torch.testing.assert_close(states[0], states[1], rtol=1e-3, atol=1e-4)
    assert not torch.allclose(states[0]["stem.weight"], states[2]["stem.weight"], atol=1e-2)


@pytest.mark.parametrize("recipe", [SILVER, replace(SILVER, muon_factor=5.0)], ids=["adamw", "muon"])
@pytest.mark.parametrize("steps", [1, 7, 11])
@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_a_training_that_was_stopped_goes_on_to_the_same_network(
    tmp_path: Path, steps: int, recipe: Recipe, device: torch.device
) -> None:
    path = tmp_path / "a.checkpoint"
    with pytest.raises(StoppedError):
        trained(recipe=recipe, checkpoint=Checkpoint(path, "this"), stop=StopsAfter(steps), device=device)
    went_on = trained(recipe=recipe, checkpoint=Checkpoint(path, "this"), device=device)
    # What GPUs add up in any order, Muon makes a direction of: single small weights differ from run to run.
    close = {"rtol": 1e-3, "atol": 1e-4} if device.type == "cpu" else {"rtol": 0.1, "atol": 0.02}
    torch.testing.assert_close(went_on, trained(recipe=recipe, device=device), **close)


def test_a_training_that_is_stopped_while_its_network_is_scored_loses_no_step_and_no_epoch(tmp_path: Path) -> None:
    path, log = tmp_path / "a.checkpoint", EpochLog(tmp_path / "a.jsonl")
    steps: list[torch.Tensor] = []

    def stopped(_: SEDenseNet) -> float:
        raise StoppedError("test")

    def forward(model: SEDenseNet, images: torch.Tensor) -> torch.Tensor:
        steps.append(images)
        return plain_forward(model, images)

    with pytest.raises(StoppedError):
        trained(checkpoint=Checkpoint(path, "this"), score=stopped, log=log, forward=forward)
    assert 0 < len(steps) < STEPS
    trained(checkpoint=Checkpoint(path, "this"), log=log, forward=forward)
    assert len(steps) == STEPS
    assert [entry["epoch"] for entry in log.entries] == list(range(1, len(log.entries) + 1))
    assert log.entries[-1]["step"] == STEPS


def test_steps_that_are_all_taken_are_not_taken_again_when_what_follows_is_interrupted(tmp_path: Path) -> None:
    path, steps = tmp_path / "a.checkpoint", []

    def forward(model: SEDenseNet, images: torch.Tensor) -> torch.Tensor:
        steps.append(images)
        return plain_forward(model, images)

    whole = trained(checkpoint=Checkpoint(path, "this"), forward=forward)
    torch.testing.assert_close(trained(checkpoint=Checkpoint(path, "this"), forward=forward), whole, rtol=0, atol=0)
    assert len(steps) == STEPS


def test_an_epoch_that_was_interrupted_is_no_quicker_than_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log, seconds_s = tmp_path / "a.checkpoint", EpochLog(None), [0.0]
    monkeypatch.setattr("train_offline.train_network.time.perf_counter", lambda: seconds_s[0])

    def forward(model: SEDenseNet, images: torch.Tensor) -> torch.Tensor:
        seconds_s[0] += 1
        return plain_forward(model, images)

    with pytest.raises(StoppedError):
        trained(checkpoint=Checkpoint(path, "this"), stop=StopsAfter(3), log=log, forward=forward)
    trained(checkpoint=Checkpoint(path, "this"), log=log, forward=forward)
    assert {entry["clips_per_s"] for entry in log.entries} == {TINY.batch_clips}
    assert [entry["seconds_s"] for entry in log.entries] == [entry["step"] for entry in log.entries]


def test_progress_counts_no_epoch_beyond_the_last(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train_offline.progress.LINE_EVERY_S", -1)
    trained(sources=[source(9 * TINY.batch_clips)])
    told = re.findall(r"epoch (\d+) of (\d+)", capsys.readouterr().err)
    assert told == 9 * [("1", "2")] + (STEPS - 9) * [("2", "2")]


def test_the_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.checkpoint"
    with pytest.raises(StoppedError):
        trained(checkpoint=Checkpoint(path, "this"), stop=StopsAfter(3))
    with pytest.raises(KernelError, match=r"other settings.*--again"):
        trained(checkpoint=Checkpoint(path, "that"))


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_a_loss_that_is_not_finite_stops_with_the_clips_named(device: torch.device) -> None:
    wild = replace(STAGE, peak_learning_rate=1e30)
    with pytest.raises(KernelError, match=r"test, step \d+: the loss is (nan|inf) on clip\d+, clip\d+.*lower"):
        trained(stage=wild, device=device)


def test_too_little_gpu_memory_says_what_to_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("train_offline.optimization.Optimization.step", no_room)
    with pytest.raises(KernelError, match=r"batches of 8 clips; lower them, such as --batch-clips 4"):
        trained()


def test_clips_of_a_second_source_count_by_its_weight() -> None:
    first, second = source(), source()
    wrong = replace(second, targets=1 - second.targets, weight=0.0)
    assert all(torch.isfinite(value).all() for value in trained(sources=[first, wrong]).values())


def test_one_clip_is_too_few() -> None:
    with pytest.raises(KernelError, match="1 clips to train on"):
        trained(sources=[source(1)])
