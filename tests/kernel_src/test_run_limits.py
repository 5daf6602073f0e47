"""A whole kernel run in a real memory cgroup: less memory changes where spectrograms live, and nothing else."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
import soundfile
import torch
from safetensors.torch import save_file
from store_fixtures import MB, folder_on_disk

from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import Manifest, Member, sha256_of
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig
from kernel_src.overrides import OVERRIDES_VARIABLE
from sample_data import LABELS, tone, write_table
from simulator.cgroup_place import make_control_group
from train_offline.manifest_file import write_manifest

CLIPS = 24
RESERVE_BYTES = 1000 * MB  # kernel.toml's memory_reserve
DISK_RESERVE_BYTES = 50 * MB
LARGE_FRONTEND = FrontendConfig(n_mels=256, n_fft=2048, hop_samples=64)
"""Spectrograms of some 3 MB, so that a few clips matter beside the memory that torch itself takes."""


@dataclass(frozen=True)
class Finished:
    submission: bytes
    events: list[dict[str, Any]]
    kills: int

    def only(self, name: str) -> dict[str, Any]:
        return next(event for event in self.events if event["event"] == name)


def make_inputs(root: Path) -> None:
    test = root / "input/freesound-audio-tagging-2019/test"
    test.mkdir(parents=True)
    for clip in range(CLIPS):
        soundfile.write(test / f"{clip:08x}.wav", tone(8.5 + clip / 20, 100.0 + 40 * clip), 44_100)
    rows = ["fname," + ",".join(LABELS), *(f"{clip:08x}.wav,0,0,0" for clip in range(CLIPS))]
    write_table(test.parent / "sample_submission.csv", rows)

    weights = root / "input/hourglass-weights"
    weights.mkdir()
    config = ModelConfig(n_labels=len(LABELS), n_mels=256, crop_frames=256, width=2, depth=3)
    torch.manual_seed(0)
    save_file(SEDenseNet(config).state_dict(), weights / "fold0.safetensors")
    member = Member(
        id="fold0",
        file="fold0.safetensors",
        sha256=sha256_of(weights / "fold0.safetensors"),
        fold=0,
        stage="curated",
        frontend=asdict(LARGE_FRONTEND),
        model=asdict(config),
        mean=0.5,
        std=0.5,
        oof_lwlrap=0.5,
    )
    write_manifest(weights, Manifest(LABELS, (0.1, 0.2, 0.3), (member,), {"recipe": "none"}))


def run_kernel(root: Path, name: str, memory_bytes: int, **overrides: object) -> Finished:
    """The runtime in a group of its own, with two passes."""
    working = root / name
    working.mkdir()
    told = {"input_dir": str(root / "input"), "working_dir": str(working), "passes": 2, **overrides}
    group = make_control_group(memory_bytes)
    if group is None:
        pytest.skip("needs root and a memory cgroup that it may make groups in")
    with group:
        done = subprocess.run(
            [*group.entering(), sys.executable, "-m", "kernel_src.run"],
            env={**os.environ, OVERRIDES_VARIABLE: json.dumps(told)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        kills = group.kills()
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in (working / "run.jsonl").read_text().splitlines()]
    return Finished((working / "submission.csv").read_bytes(), events, kills)


@pytest.mark.root
@pytest.mark.slow
def test_half_the_memory_and_a_small_disk_give_the_same_submission() -> None:
    with folder_on_disk() as root:
        make_inputs(root)
        ample = run_kernel(root, "ample", 4000 * MB)
        spilled = run_kernel(root, "spilled", RESERVE_BYTES + 100 * MB)
        peak = ample.only("store_totals")["memory_peak_bytes"]
        half = (spilled.only("spill_began")["used_bytes"] + peak // 2 + RESERVE_BYTES) / 0.95
        tight = run_kernel(root, "tight", int(half), disk_bytes=DISK_RESERVE_BYTES + peak // 4)

    assert (ample.kills, spilled.kills, tight.kills) == (0, 0, 0)
    assert ample.only("store_totals")["memory_puts"] == CLIPS
    assert spilled.only("store_totals")["disk_puts"] == CLIPS
    lived = tight.only("store_totals")
    assert 0.2 * CLIPS < lived["memory_puts"] < 0.8 * CLIPS
    assert lived["disk_puts"] > 0
    assert lived["recomputations"] > 0
    assert ample.submission == spilled.submission == tight.submission
