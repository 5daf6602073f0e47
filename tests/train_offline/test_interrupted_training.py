"""Training in a process that is killed, as a user's is when the power goes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

TRAIN = """
import sys
from dataclasses import replace
from functools import partial
from train_offline import training
from train_offline.command import main
from train_offline.recipes import SIZES
from training_settings import TINY
SIZES["tiny"] = replace(TINY, epochs=40)
training.usable_cpus = lambda: 1
training.TrainingSettings = partial(training.TrainingSettings, checkpoint_every_s=0.0)  # after each step
sys.exit(main(sys.argv[1:]))
"""


def start(data: Path, out: Path) -> subprocess.Popen[str]:
    arguments = [
        "train",
        "--data",
        str(data),
        "--recipe",
        "silver",
        "--size",
        "tiny",
        "--folds",
        "0",
        "--out",
        str(out),
    ]
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, *arguments],
        env={"PYTHONPATH": ":".join(sys.path), "XDG_CACHE_HOME": str(data.parent / "cache"), "PATH": ""},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(6000):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    raise AssertionError(f"{path.name} did not come")


def test_a_training_that_is_killed_and_interrupted_ends_where_it_would_have_ended(
    training_data: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    undisturbed = start(training_data, whole)
    killed = start(training_data, cut)
    wait_for(cut / "training" / "fold0-curated.checkpoint", killed)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()

    interrupted = start(training_data, cut)
    wait_for(cut / "training" / "fold0-noisy.checkpoint", interrupted)
    interrupted.send_signal(signal.SIGINT)
    assert "the same command goes on from here" in interrupted.communicate(timeout=60)[0]
    assert interrupted.returncode == 130

    again = start(training_data, cut)
    for process in (again, undisturbed):
        told, _ = process.communicate(timeout=100)
        assert process.returncode == 0, told
        assert ("noisy clips that were picked before" in told) == (process is again)
    for stage in ("curated", "noisy"):
        name = f"fold0-{stage}.safetensors"
        torch.testing.assert_close(load_file(cut / name), load_file(whole / name), rtol=1e-2, atol=1e-3)
    logs = [(folder / "training" / "fold0-noisy.jsonl").read_text().splitlines() for folder in (whole, cut)]
    assert len(logs[0]) == len(logs[1])
    assert not list((cut / "training").glob("*.checkpoint"))
