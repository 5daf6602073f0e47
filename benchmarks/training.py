"""How fast training is, how much of it is not the network, and whether the competition's size fits into memory.

`python -m benchmarks.training` needs no data: speed does not depend on what the clips hold. The competition's 24,785
spectrograms are a sparse file, so that 10.7 GB need no disk. On a CPU one thread is measured, for a fold has one core.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.report import Result, print_report
from kernel_src.before_torch import prepare_for_torch
from kernel_src.weights import device_name, pick_device
from train_offline.batches import Batches, Normalisation, Source
from train_offline.compilation import compiled_forward
from train_offline.optimization import Forward, Optimization, plain_forward
from train_offline.recipes import RECIPES, SIZES, Recipe, Size
from train_offline.spectrogram_table import SpectrogramTable
from train_offline.train_network import new_network

COMPETITION_CLIPS = 24_785
COMPETITION_BYTES = 10_700_000_000
N_LABELS = 80
MOST_ANONYMOUS_GB = 2.0
MOST_SAMPLING_SHARE = 0.05
MOST_OUTSIDE_SHARE = 0.10


@dataclass(frozen=True)
class Speed:
    """Of one recipe at one size."""

    clips_per_s: float
    outside_share: float
    """The share of the time in which the network does not work: reading crops, augmenting, moving."""


def sparse_table(folder: Path, n_mels: int, n_clips: int, size_bytes: int) -> SpectrogramTable:
    """A mapped table of so many clips of all lengths; the file takes no room on disk."""
    n_frames = size_bytes // (2 * n_mels)
    path = folder / "frames.f16"
    with path.open("wb") as file:
        file.truncate(n_frames * n_mels * 2)
    shares = np.random.default_rng(0).uniform(0.05, 2, n_clips)
    lengths = np.maximum(1, (shares / shares.sum() * n_frames).astype(np.int64))
    frames = np.memmap(path, np.float16, mode="c", shape=(n_frames, n_mels))
    return SpectrogramTable(np.asarray(frames), np.cumsum(lengths) - lengths, lengths)


def batches_of(table: SpectrogramTable, recipe: Recipe, size: Size, device: torch.device) -> Batches:
    """Training batches of clips with random labels."""
    targets = np.random.default_rng(0).random((len(table), N_LABELS)) < 0.02
    source = Source([str(clip) for clip in range(len(table))], table, targets.astype(np.float32))
    return Batches(
        [source],
        recipe.augmentation,
        crop_frames=size.crop_frames,
        padding=None if recipe.padding == "repeat" else size.frontend.silence,
        normalisation=Normalisation(0.5, 0.3),
        batch_clips=size.batch_clips,
        seed=0,
        device=device,
    )


def measure_speed(recipe: Recipe, size: Size, steps: int, device: torch.device, forward: Forward) -> Speed:
    """Medians over some steps, after two to warm up."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(size.crop_frames // 2, 2 * size.crop_frames, 200)
    spectrograms = [rng.random((size.frontend.n_mels, int(length))).astype(np.float16) for length in lengths]
    batches = batches_of(SpectrogramTable.of(spectrograms), recipe, size, device)
    model = new_network(recipe, size, N_LABELS, seed=0).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    optimization = Optimization(model, recipe, 1e-3, steps + 2, forward)
    outside_s, inside_s = [], []
    for step in range(steps + 2):
        began_s = _now_s(device)
        batch = batches.batch(step)
        ready_s = _now_s(device)
        optimization.step(batch)
        outside_s.append(ready_s - began_s)
        inside_s.append(_now_s(device) - ready_s)
    outside, inside = median(outside_s[2:]), median(inside_s[2:])
    return Speed(size.batch_clips / (outside + inside), outside / (outside + inside))


def speed_results(recipe: Recipe, size: Size, steps: int, device: torch.device, *, compiled: bool) -> dict[str, Result]:
    """The speed of one recipe at one size, and beside it of the compiled network."""
    name = f"{size.name} {recipe.name}"
    plain = measure_speed(recipe, size, steps, device, plain_forward)
    results = {
        f"{name}, clips/s": Result(plain.clips_per_s, None, "higher"),
        f"{name}, share outside the network": Result(plain.outside_share, MOST_OUTSIDE_SHARE, "lower"),
    }
    if compiled:
        shape = (size.batch_clips, 1, size.frontend.n_mels, size.crop_frames)
        speed = measure_speed(recipe, size, steps, device, compiled_forward(shape))
        results |= {
            f"{name} compiled, clips/s": Result(speed.clips_per_s, None, "higher"),
            f"{name} compiled, times as fast": Result(speed.clips_per_s / plain.clips_per_s, None, "higher"),
            f"{name} compiled, share outside the network": Result(speed.outside_share, MOST_OUTSIDE_SHARE, "lower"),
        }
    return results


def _now_s(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@dataclass(frozen=True)
class Sampling:
    """Of one epoch over the competition's clips."""

    anonymous_bytes: int
    """By how much the process's own memory grew at most."""
    seconds_per_batch_s: float


def measure_sampling(recipe: Recipe, size: Size, most_batches: int | None) -> Sampling:
    """Draws the batches of an epoch from a mapped file of the competition's size."""
    with tempfile.TemporaryDirectory() as folder:
        table = sparse_table(Path(folder), size.frontend.n_mels, COMPETITION_CLIPS, COMPETITION_BYTES)
        device = torch.device("cpu")
        batches = batches_of(table, recipe, size, device)
        before, most, times_s = anonymous_bytes(), 0, []
        for step in range(min(most_batches or batches.steps_per_epoch, batches.steps_per_epoch)):
            began_s = time.perf_counter()
            batches.batch(step)
            times_s.append(time.perf_counter() - began_s)
            most = max(most, anonymous_bytes() - before)
    return Sampling(most, median(times_s))


def anonymous_bytes() -> int:
    """The memory of this process that no file stands behind."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Measures and prints the table and, last, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=sorted(SIZES), default=["demo", "small", "full"])
    parser.add_argument("--recipes", nargs="+", choices=sorted(RECIPES), default=sorted(RECIPES))
    parser.add_argument("--steps", type=int, default=8, help="steps that are timed, for each recipe and size")
    parser.add_argument("--compiled", action="store_true", help="compiled steps too; compiling takes a minute a size")
    parser.add_argument("--quick", action="store_true", help="fewer steps, a part of the epoch, without size full")
    options = parser.parse_args()
    prepare_for_torch()
    torch.set_num_threads(1)
    device = pick_device()
    print(f"on {device_name(device)}")
    sizes = [name for name in options.sizes if not (options.quick and name == "full")]
    results: dict[str, Result] = {}
    steps = 4 if options.quick else options.steps
    for size in (SIZES[name] for name in sizes):
        for recipe in (RECIPES[name] for name in options.recipes):
            results |= speed_results(recipe, size, steps, device, compiled=options.compiled)
    # A batch of size full has the competition's own bands; its network's time comes from the rows above.
    full, recipe = SIZES["full"], RECIPES[options.recipes[0]]
    sampling = measure_sampling(recipe, full, 20 if options.quick else None)
    results["competition's epoch, anonymous GB"] = Result(sampling.anonymous_bytes / 1e9, MOST_ANONYMOUS_GB, "lower")
    results["competition's epoch, ms a batch"] = Result(1e3 * sampling.seconds_per_batch_s, None, "lower")
    if "full" in sizes:
        step_s = full.batch_clips / results[f"full {recipe.name}, clips/s"].value
        share = Result(sampling.seconds_per_batch_s / step_s, MOST_SAMPLING_SHARE, "lower")
        results["competition's epoch, share of the network's time"] = share
    print_report("training", results)


if __name__ == "__main__":
    main()
