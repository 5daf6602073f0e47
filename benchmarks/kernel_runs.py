"""One run of our kernel, or of the silver solution's, in a process of its own, and what it came to."""

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
import torch

from kernel_src.cpus import usable_cpus
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import Manifest, read_manifest
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig
from simulator.process_tree import process_tree
from train_offline.batches import Normalisation
from train_offline.evaluate import Validation
from train_offline.manifest_file import write_manifest
from train_offline.recipes import Stage
from train_offline.train_network import TrainedNetwork
from train_offline.weights_folder import WeightsFolder

CHECKOUT = Path(__file__).parents[1]
COMPETITION, WEIGHTS = "freesound-audio-tagging-2019", "hourglass-weights"


@dataclass(frozen=True)
class KernelRun:
    """What a run came to; all times in seconds."""

    wall_s: float
    """From starting Python to its end."""
    looks: int
    """Crops that a network has seen."""
    look_s: float
    """Of wall-clock time for a crop, in the passes after the first one."""
    first_look_s: float = 0.0
    """From the start of the process to the first batch."""
    network_share: float = 0.0
    """Of the workers' time inside the network, in the passes after the first one."""


@dataclass(frozen=True)
class KernelMemory:
    """Where a run was at its peak, in bytes; shared pages count once (PSS), all of its processes together."""

    resident_bytes: int
    """All pages that are in memory, those of mapped files too."""
    own_bytes: int
    """Without pages of files, which the system takes and brings as it likes."""
    store_bytes: int
    """The spectrograms that the store held in memory."""
    weights_bytes: int
    """The files of the members."""


def run_ours(inputs: Path, folder: Path, passes: int, *, threads: int = 0) -> KernelRun:
    """Our kernel on a folder of inputs.

    Args:
        inputs: has the competition and the weights.
        folder: becomes the working folder.
        passes: how many.
        threads: workers that the network's share counts; 0 for one each core.
    """
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.timed_kernel", str(folder / "calls.json")]
    wall_s, _ = _run(command, CHECKOUT, {"HOURGLASS_OVERRIDES": _overrides(inputs, folder, passes)})
    calls = np.array(json.loads((folder / "calls.json").read_text(encoding="utf-8")))
    done = [event for event in _events(folder) if event["event"] == "pass_done"]
    begun_s = done[0]["t_s"]
    later = calls[(calls[:, 0] >= begun_s) & (calls[:, 1] <= done[-1]["t_s"])]
    worker_s = (later[:, 1].max() - later[:, 0].min()) * (threads or usable_cpus())
    return KernelRun(
        wall_s=wall_s,
        looks=int(calls[:, 2].sum()),
        look_s=median(event["seconds_s"] / event["clips"] for event in done[1:]),
        first_look_s=float(calls[:, 0].min()),
        network_share=float((later[:, 1] - later[:, 0]).sum() / worker_s),
    )


def memory_of_ours(inputs: Path, folder: Path, passes: int) -> KernelMemory:
    """What our kernel holds in memory, looked at twenty times a second."""
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "kernel_src.run"],
        cwd=CHECKOUT,
        env={**os.environ, "HOURGLASS_OVERRIDES": _overrides(inputs, folder, passes)},
        stdout=subprocess.DEVNULL,
    ) as kernel:
        resident_bytes = own_bytes = 0
        while kernel.poll() is None:
            pages = [_pages_bytes(pid) for pid in process_tree(kernel.pid)]
            resident_bytes = max(resident_bytes, sum(every for every, _ in pages))
            own_bytes = max(own_bytes, sum(own for _, own in pages))
            time.sleep(0.05)
    assert kernel.returncode == 0, kernel.returncode
    (totals,) = (event for event in _events(folder) if event["event"] == "store_totals")
    weights_bytes = sum(path.stat().st_size for path in (inputs / WEIGHTS).glob("*.safetensors"))
    return KernelMemory(resident_bytes, own_bytes, totals["memory_peak_bytes"], weights_bytes)


def _pages_bytes(pid: int) -> tuple[int, int]:
    """All pages of a process, and those that are of no file; nothing of one that has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0, 0
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines() if line.endswith("kB")}
    return sizes.get("Pss", 0), sizes.get("Pss_Anon", 0) + sizes.get("Pss_Shmem", 0)


def _overrides(inputs: Path, folder: Path, passes: int) -> str:
    overrides = {"input_dir": str(inputs), "working_dir": str(folder), "passes": passes, "stop_early": False}
    return json.dumps(overrides)


def run_silver(inputs: Path, folder: Path, passes: int, looks: int) -> KernelRun:
    """The silver solution's kernel: so many passes of each fold, and so many crops in all."""
    folder.mkdir()
    arguments = [str(inputs / COMPETITION), str(inputs / WEIGHTS), str(passes), str(looks)]
    environment = {"PYTHONPATH": str(CHECKOUT)}
    wall_s, out = _run([sys.executable, "-m", "benchmarks.silver_kernel", *arguments], folder, environment)
    told = json.loads(out.splitlines()[-1])
    return KernelRun(wall_s=wall_s, looks=looks, look_s=median(told["seconds_per_look"]))


def _run(command: list[str], folder: Path, more: dict[str, str]) -> tuple[float, str]:
    environment = {**os.environ, **more}
    began_s = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - began_s, done.stdout


def _events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "run.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write_inputs(inputs: Path, data: Path, weights: Path, n_clips: int, n_members: int) -> None:
    """Inputs with some clips of a data set, repeated where it has fewer, and some members of a weights folder."""
    competition, chosen = inputs / COMPETITION, inputs / WEIGHTS
    (competition / "test").mkdir(parents=True)
    chosen.mkdir()
    with (data / "sample_submission.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    names = []
    for index in range(n_clips):
        source = data / "test" / rows[index % len(rows)][0]
        names.append(f"{index:05d}_{source.name}")
        (competition / "test" / names[-1]).symlink_to(source.resolve())
    with (competition / "sample_submission.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *([name, *["0"] * (len(header) - 1)] for name in names)])
    manifest = read_manifest(weights)
    members = manifest.members[:n_members]
    for member in members:
        (chosen / member.file).symlink_to((weights / member.file).resolve())
    write_manifest(chosen, Manifest(manifest.labels, manifest.priors, members, manifest.created_with))


def write_weights(
    folder: Path, labels: tuple[str, ...], config: ModelConfig, frontend: FrontendConfig, n_members: int = 2
) -> None:
    """Untrained networks: they take as long as trained ones."""
    priors = tuple(0.1 for _ in labels)
    weights = WeightsFolder(folder, labels, priors, {"recipe": "none"}, again=False)
    score = Validation(np.zeros((0, len(labels))), lwlrap=0.5, view_gains=())
    stage = Stage("curated", epochs_share=1.0, peak_learning_rate=0.0)
    for fold in range(n_members):
        torch.manual_seed(fold)
        network = TrainedNetwork(SEDenseNet(config).eval(), Normalisation(mean=0.5, std=0.5))
        weights.save(network, frontend, fold=fold, stage=stage, score=score)


def write_clips(data: Path, n_clips: int, labels: tuple[str, ...], longest_s: float) -> None:
    """A data set's test split: noise of lengths from a tenth of the longest on, at 44.1 kHz."""
    (data / "test").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for index in range(n_clips):
        name = f"{index:08x}.wav"
        n_samples = int(44_100 * longest_s * rng.uniform(0.1, 1.0))
        soundfile.write(data / "test" / name, 0.1 * rng.standard_normal(n_samples), 44_100)
        rows.append([name, *["0"] * len(labels)])
    with (data / "sample_submission.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows([["fname", *labels], *rows])
