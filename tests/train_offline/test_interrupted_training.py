"""Training in a process that is killed, as a user's is when the power goes."""

import os
import signal
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from training_process import TrainingProcess, start_training


def start(data: Path, out: Path) -> TrainingProcess:
    """A training that keeps where it is after each step."""
    arguments = ("--data", data, "--folds", 0, "--epochs", 40, "--out", out)
    return start_training(out.with_suffix(".txt"), *arguments, checkpoint_every_s=0.0)


def wait_for(path: Path, training: TrainingProcess) -> None:
    for _ in range(6000):
        if path.exists():
            return
        assert training.process.is_alive(), training.printed.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path.name} did not come")


def test_a_training_that_is_killed_and_interrupted_ends_where_it_would_have_ended(
    training_data: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    undisturbed = start(training_data, whole)
    killed = start(training_data, cut)
    wait_for(cut / "training" / "fold0-curated.checkpoint", killed)
    killed.process.kill()
    killed.end()
    assert killed.process.exitcode == -signal.SIGKILL

    interrupted = start(training_data, cut)
    wait_for(cut / "training" / "fold0-noisy.checkpoint", interrupted)
    assert interrupted.process.pid is not None
    os.kill(interrupted.process.pid, signal.SIGINT)
    assert "the same command goes on from here" in interrupted.end()
    assert interrupted.process.exitcode == 130

    again = start(training_data, cut)
    for training in (again, undisturbed):
        told = training.end()
        assert training.process.exitcode == 0, told
        assert ("noisy clips that were picked before" in told) == (training is again)
    for stage in ("curated", "noisy"):
        name = f"fold0-{stage}.safetensors"
        torch.testing.assert_close(load_file(cut / name), load_file(whole / name), rtol=1e-2, atol=1e-3)
    logs = [(folder / "training" / "fold0-noisy.jsonl").read_text().splitlines() for folder in (whole, cut)]
    assert len(logs[0]) == len(logs[1])
    assert not list((cut / "training").glob("*.checkpoint"))
