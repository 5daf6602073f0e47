"""The silver solution's kernel as its authors' description has it, to be timed beside ours.

librosa's frontend in a pool of processes into a Manager dict; then for each fold its passes, each with a DataLoader of
two workers that takes a random crop clip by clip, zoomed views and a plain one in turn, and the plain float32 module at
batch 50. Nothing of the runtime is used but the network's definition.

`python -m benchmarks.silver_kernel DATA WEIGHTS PASSES LOOKS` ends after so many passes of each fold, or crops in all.
"""

import argparse
import csv
import json
import multiprocessing
import random
import time
from collections.abc import MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from kernel_src.model import SEDenseNet
from kernel_src.model_config import ModelConfig

BATCH_CLIPS = 50
LOADER_WORKERS = 2
ZOOM = 1.1
PLAIN_VIEW = 4
Entry = dict[str, Any]


def extract(settings: Entry, path: Path) -> Any:
    """The spectrogram of one clip, [mels, frames] float32, as the silver solution calls librosa."""
    rate_hz = settings["sample_rate_hz"]
    wave, _ = librosa.load(path, sr=rate_hz)
    if settings["trim_top_db"] is not None:
        wave, _ = librosa.effects.trim(wave, top_db=settings["trim_top_db"])
    hop = settings["hop_samples"]
    power = librosa.feature.melspectrogram(
        y=wave, sr=rate_hz, n_mels=settings["n_mels"], n_fft=settings["n_fft"], hop_length=hop
    )
    pcen = {name: settings[f"pcen_{name}"] for name in ("gain", "bias", "power", "eps")}
    time_constant_s = settings["pcen_time_constant_s"]
    found = librosa.pcen(power, sr=rate_hz, hop_length=hop, time_constant=time_constant_s, **pcen)
    return found.astype(np.float32)


def keep(spectrograms: MutableMapping[Path, Any], settings: Entry, path: Path) -> None:
    """Puts a spectrogram into the dict."""
    spectrograms[path] = extract(settings, path)


class RandomCrops(Dataset[torch.Tensor]):
    """A fresh random crop of each clip: zoomed into a corner of the bands, or plain."""

    def __init__(self, spectrograms: MutableMapping[Path, Any], paths: list[Path], entry: Entry, view: int) -> None:
        self._spectrograms = spectrograms
        self._paths = paths
        self._entry = entry
        self._zoomed = view != PLAIN_VIEW
        self._high = view % 2

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        """[1, mels, frames] normalised."""
        n_mels, crop_frames = self._entry["model"]["n_mels"], self._entry["model"]["crop_frames"]
        clip = (self._spectrograms[self._paths[index]] - self._entry["mean"]) / self._entry["std"]
        frames, mels = crop_frames, n_mels
        if self._zoomed:
            frames, mels = round(crop_frames / ZOOM), round(n_mels / ZOOM)
        short = max(0, frames - clip.shape[1])
        before = random.randint(0, short)
        clip = np.pad(clip, ((0, 0), (before, short - before)))
        first, low = random.randint(0, clip.shape[1] - frames), (n_mels - mels) * self._high
        crop = torch.from_numpy(clip[None, None, low : low + mels, first : first + frames])
        return F.interpolate(crop, (n_mels, crop_frames), mode="bilinear", align_corners=False)[0]


def predict(model: SEDenseNet, crops: RandomCrops) -> Any:
    """The probabilities of a pass, [clips, labels]."""
    loader = DataLoader(crops, batch_size=BATCH_CLIPS, num_workers=LOADER_WORKERS)
    with torch.no_grad():
        return np.concatenate([torch.sigmoid(model(batch)).numpy() for batch in loader])


def read_model(folder: Path, entry: Entry) -> SEDenseNet:
    """The plain module of a fold."""
    model = SEDenseNet(ModelConfig(**entry["model"]))
    model.load_state_dict(load_file(folder / entry["file"]))
    return model.eval()


def main() -> None:
    """The kernel, with its timings as a line of JSON at the end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.silver_kernel", description=__doc__)
    parser.add_argument("data", type=Path, help="a folder in the competition's layout")
    parser.add_argument("weights", type=Path, help="a folder as train_offline makes it")
    parser.add_argument("passes", type=int, help="of each fold, at most")
    parser.add_argument("looks", type=int, help="crops in all, at most")
    options = parser.parse_args()
    data, weights, looks_left = options.data, options.weights, options.looks
    table = list(csv.reader((data / "sample_submission.csv").open(encoding="utf-8")))
    paths = [data / "test" / row[0] for row in table[1:]]
    entries = json.loads((weights / "manifest.json").read_text(encoding="utf-8"))["members"]
    total: Any = np.zeros((len(paths), len(table[0]) - 1))
    seconds_per_look: list[float] = []
    began_s = time.perf_counter()
    with multiprocessing.Manager() as manager:
        spectrograms = manager.dict()
        with multiprocessing.Pool() as pool:
            pool.map(partial(keep, spectrograms, entries[0]["frontend"]), paths, chunksize=1)
        extraction_s = time.perf_counter() - began_s
        for entry in entries:
            model = read_model(weights, entry)
            for view in range(options.passes):
                clips = paths[:looks_left]
                if clips:
                    pass_began_s = time.perf_counter()
                    total[: len(clips)] += predict(model, RandomCrops(spectrograms, clips, entry, view))
                    seconds_per_look.append((time.perf_counter() - pass_began_s) / len(clips))
                    looks_left -= len(clips)
    with Path("submission.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows([table[0], *([path.name, *row] for path, row in zip(paths, total, strict=True))])
    print(json.dumps({"extraction_s": extraction_s, "seconds_per_look": seconds_per_look}))


if __name__ == "__main__":
    main()
