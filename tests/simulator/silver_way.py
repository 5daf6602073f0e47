"""A script kernel in the silver solution's way, to be run beside ours under the same bad days.

Spectrograms by a process pool into a Manager dict, as long as psutil finds memory; then nine passes for each fold, one
fold after the other: eight zoomed views on fresh random crops and a plain one; the mean of all of them; one submission
at the very end. Nothing looks at the clock. Frontend, network and weights are this project's own (attach the folder
`kernel_src` as an input of that name), so that only the way differs.
"""

import json
import multiprocessing
import os
import random
import sys
from collections.abc import MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import torch

INPUTS = Path(json.loads(os.environ.get("HOURGLASS_OVERRIDES", "{}")).get("input_dir", "/kaggle/input"))
sys.path.insert(0, str(INPUTS))

from kernel_src.audio import read_waveform  # noqa: E402
from kernel_src.errors import ClipError  # noqa: E402
from kernel_src.frontend import FrontendConfig, spectrogram  # noqa: E402
from kernel_src.manifest import read_manifest  # noqa: E402
from kernel_src.views import ZOOM, Window, cut, stretch  # noqa: E402
from kernel_src.weights import LoadedMember, load_member  # noqa: E402

PASSES = 9
BATCH_CLIPS = 16
MOST_MEMORY_PERCENT = 90


def extract(path: Path, config: FrontendConfig) -> Any:
    """The spectrogram of one clip, [mels, frames]."""
    return spectrogram(read_waveform(path, config.sample_rate_hz, config.trim_top_db), config)


def keep(spectrograms: MutableMapping[Path, Any], config: FrontendConfig, path: Path) -> None:
    """Puts a spectrogram into the dict, while there is memory."""
    if psutil.virtual_memory().percent < MOST_MEMORY_PERCENT:
        try:
            spectrograms[path] = extract(path, config)
        except ClipError as error:  # as a library's own error would be: one that comes through to the parent
            raise RuntimeError(str(error)) from None


def view(member: LoadedMember, clip: Any, number: int) -> Any:
    """The part of a clip that a pass looks at: a corner of a random crop, or all of its bands."""
    config = member.config
    zoomed = number < PASSES - 1
    frames = round(config.crop_frames / ZOOM) if zoomed else config.crop_frames
    mels = round(config.n_mels / ZOOM) if zoomed else config.n_mels
    start = random.randint(*sorted((0, clip.shape[1] - frames)))
    first_mel = (config.n_mels - mels) * (number % 2)
    return cut(clip, Window(start, frames, first_mel, mels), member.frontend.silence)


def predict(member: LoadedMember, clips: list[Any], number: int) -> Any:
    """The probabilities of some clips in one pass, [clips, labels]."""
    parts = [view(member, clip, number) for clip in clips]
    batch = stretch(parts, member.config.n_mels, member.config.crop_frames, member.device)
    with torch.inference_mode():
        return torch.sigmoid(member.model((batch - member.mean) / member.std)).numpy()


def main() -> None:
    """The kernel."""
    competition = next(INPUTS.rglob("sample_submission.csv")).parent
    weights = next(INPUTS.rglob("manifest.json")).parent
    submission = pd.read_csv(competition / "sample_submission.csv")
    paths = [competition / "test" / name for name in submission["fname"]]
    manifest = read_manifest(weights)
    columns = [manifest.labels.index(label) for label in submission.columns[1:]]
    members = [load_member(weights, m, len(manifest.labels), torch.device("cpu")) for m in manifest.members]
    config = members[0].frontend
    total = np.zeros((len(paths), len(columns)))
    with multiprocessing.Manager() as manager:
        spectrograms = manager.dict()
        with multiprocessing.Pool(os.cpu_count()) as pool:
            pool.map(partial(keep, spectrograms, config), paths, chunksize=1)
        print(f"{len(spectrograms)} spectrograms", flush=True)
        for member in members:
            for number in range(PASSES):
                for begin in range(0, len(paths), BATCH_CLIPS):
                    batch = paths[begin : begin + BATCH_CLIPS]
                    clips = [spectrograms[path] if path in spectrograms else extract(path, config) for path in batch]
                    total[begin : begin + len(batch)] += predict(member, clips, number)[:, columns]
            print(f"{member.id} is done", flush=True)
    submission[submission.columns[1:]] = total / (PASSES * len(members))
    submission.to_csv("submission.csv", index=False)


if __name__ == "__main__":
    main()
