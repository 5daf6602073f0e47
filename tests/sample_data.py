"""Clips, tables and weights that tests make for themselves: small, and as real as what a user has."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import torch
from safetensors.torch import save_file

from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import Manifest, Member, sha256_of
from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig
from train_offline.manifest_file import write_manifest

LABELS = ("Bark", "Meow", "Purr")
SMALL_FRONTEND = FrontendConfig(n_mels=16, n_fft=2048, hop_samples=1378)


def tone(seconds_s: float, pitch_hz: float = 440.0, rate_hz: int = 44_100) -> npt.NDArray[np.float32]:
    """A tone with a little noise, [samples] float32."""
    rng = np.random.default_rng(round(pitch_hz))
    t_s = np.arange(round(seconds_s * rate_hz)) / rate_hz
    wave = 0.3 * np.sin(2 * np.pi * pitch_hz * t_s) + 0.01 * rng.standard_normal(len(t_s))
    return wave.astype(np.float32)


def write_table(path: Path, rows: list[str]) -> None:
    """Writes the lines of a csv file."""
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def make_training_data(folder: Path) -> Path:
    """A curated split of 24 short clips whose pitch tells the label, and a noisy one of 18, a third of them wrong."""
    write_split(folder, "train_curated", 24, first_name=0)
    write_split(folder, "train_noisy", 18, first_name=100, wrong_every=3)
    write_table(folder / "sample_submission.csv", ["fname," + ",".join(LABELS), "ffffffff.wav,0,0,0"])
    return folder


def write_split(folder: Path, name: str, n_clips: int, *, first_name: int, wrong_every: int | None = None) -> None:
    """A table and its clips."""
    (folder / name).mkdir(parents=True)
    rows = ["fname,labels"]
    for index in range(n_clips):
        label = index % 3
        fname = f"{first_name + index:08x}.wav"
        soundfile.write(folder / name / fname, tone(0.5, 300.0 * 3**label + first_name + index), 44_100)
        said = (label + 1) % 3 if wrong_every and index % wrong_every == 0 else label
        labels = LABELS[said] if index % 4 else f'"{LABELS[said]},{LABELS[(said + 1) % 3]}"'
        rows.append(f"{fname},{labels}")
    write_table(folder / f"{name}.csv", rows)


def make_weights(folder: Path, n_members: int = 2, labels: tuple[str, ...] = LABELS) -> Manifest:
    """Untrained networks in a real weights folder: they compute as trained ones do."""
    folder.mkdir(parents=True, exist_ok=True)
    config = ModelConfig(n_labels=len(labels), n_mels=16, crop_frames=32, width=4, depth=3)
    members = []
    for fold in range(n_members):
        torch.manual_seed(fold)
        file = folder / f"fold{fold}-curated.safetensors"
        save_file(SEDenseNet(config).state_dict(), file)
        members.append(
            Member(
                id=f"fold{fold}-curated",
                file=file.name,
                sha256=sha256_of(file),
                fold=fold,
                stage="curated",
                frontend=asdict(SMALL_FRONTEND),
                model=asdict(config),
                mean=0.5,
                std=0.5,
                oof_lwlrap=0.5 + 0.1 * fold,
            )
        )
    priors = tuple(0.1 * (index + 1) for index in range(len(labels)))
    manifest = Manifest(labels, priors, tuple(members), {"recipe": "none"})
    write_manifest(folder, manifest)
    return manifest
