"""How fast training is, how much of it is not the network, and whether the competition's size fits into memory.

`python -m benchmarks.training` needs no data: speed does not depend on what the clips hold. The competition's 24,785
spectrograms are a sparse file, so that 10.7 GB need no disk. On a CPU one thread is measured, for a fold has one core.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count, islice, repeat
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.report import Result, print_report
from kernel_src.before_torch import prepare_for_torch
from kernel_src.weights import device_name, pick_device
from train_offline.ahead import ahead
from train_offline.batches import Batch, Batches, Normalisation, Source
from train_offline.compilation import compiled_forward
from train_offline.optimization import Forward, Optimization, plain_forward
from train_offline.recipes import RECIPES, SIZES, Recipe, Size
from train_offline.spectrogram_table import SpectrogramTable
from train_offline.train_network import GPU_THREADS, new_network

COMPETITION = "competition's epoch"
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


def batches_of(
    table: SpectrogramTable, recipe: Recipe, size: Size, device: torch.device, resident_bytes: int | None = None
) -> Batches:
    """Training batches of clips with random labels."""
    targets = np.random.default_rng(0).random((len(table), N_LABELS)) < 0.02
    source = Source([str(clip) for clip in range(len(table))], table, targets.astype(np.float32))
    return Batches(
        [source],
        recipe.augmentation,
        frontend=size.frontend,
        crop_frames=size.crop_frames,
        padding=None if recipe.padding == "repeat" else size.frontend.silence,
        normalisation=Normalisation(0.5, 0.3),
        batch_clips=size.batch_clips,
        seed=0,
        device=device,
        resident_bytes=resident_bytes,
    )


def measure_speed(recipe: Recipe, size: Size, steps: int, device: torch.device, forward: Forward) -> Speed:
    """Of some steps on spectrograms in memory, after two to warm up."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(size.crop_frames // 2, 2 * size.crop_frames, 200)
    spectrograms = [rng.random((size.frontend.n_mels, int(length))).astype(np.float16) for length in lengths]
    batches = batches_of(SpectrogramTable.of(spectrograms), recipe, size, device)
    return speed_of(batches, recipe, size, steps, forward)


def speed_of(batches: Batches, recipe: Recipe, size: Size, steps: int, forward: Forward) -> Speed:
    """As in training: no step waits for the loss of the one before, and a GPU's batches are drawn ahead."""
    device = batches.device
    model = new_network(recipe, size, N_LABELS, seed=0).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
    optimization = Optimization(model, recipe, 1e-3, 4 * steps + 8, forward)
    if device.type == "cpu":
        whole_s, drawing_s = _seconds_a_step(optimization, map(batches.batch, count()), steps)
        return Speed(size.batch_clips / whole_s, drawing_s / whole_s)
    # What is drawn while a GPU computes costs what it holds up, and that shows only in the whole.
    with closing(ahead(batches.batch, count(), GPU_THREADS)) as drawn:
        whole_s, _ = _seconds_a_step(optimization, drawn, steps)
    inside_s, _ = _seconds_a_step(optimization, repeat(batches.batch(0)), steps)
    return Speed(size.batch_clips / whole_s, max(0.0, 1 - inside_s / whole_s))


def _seconds_a_step(optimization: Optimization, batches: Iterator[Batch], steps: int) -> tuple[float, float]:
    """Means over some steps after two to warm up, and the part of them in which a batch was waited for."""
    for batch in islice(batches, 2):
        optimization.step(batch).value()
    drawing_s, losses, began_s = 0.0, [], time.perf_counter()
    for _ in range(steps):
        asked_s = time.perf_counter()
        batch = next(batches)
        drawing_s += time.perf_counter() - asked_s
        losses.append(optimization.step(batch))
    losses[-1].value()
    return (time.perf_counter() - began_s) / steps, drawing_s / steps


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


@dataclass(frozen=True)
class Sampling:
    """Of one epoch over the competition's clips."""

    anonymous_bytes: int
    """By how much the process's own memory grew at most."""
    seconds_per_batch_s: float


def measure_sampling(recipe: Recipe, size: Size, most_batches: int | None) -> Sampling:
    """Draws the batches of an epoch from a mapped file of the competition's size, on a CPU."""
    with tempfile.TemporaryDirectory() as folder:
        table = sparse_table(Path(folder), size.frontend.n_mels, COMPETITION_CLIPS, COMPETITION_BYTES)
        batches = batches_of(table, recipe, size, torch.device("cpu"))
        before, most, times_s = anonymous_bytes(), 0, []
        for step in range(min(most_batches or batches.steps_per_epoch, batches.steps_per_epoch)):
            began_s = time.perf_counter()
            batches.batch(step)
            times_s.append(time.perf_counter() - began_s)
            most = max(most, anonymous_bytes() - before)
    return Sampling(most, median(times_s))


def mapped_speed(recipe: Recipe, size: Size, steps: int, device: torch.device) -> Speed:
    """Of a GPU that has no room for the competition's spectrograms, which stay in the mapped file."""
    with tempfile.TemporaryDirectory() as folder:
        table = sparse_table(Path(folder), size.frontend.n_mels, COMPETITION_CLIPS, COMPETITION_BYTES)
        batches = batches_of(table, recipe, size, device, resident_bytes=0)
        return speed_of(batches, recipe, size, steps, plain_forward)


def anonymous_bytes() -> int:
    """The memory of this process that no file stands behind."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) * 1024


def sampling_results(sampling: Sampling, network: Result | None, size: Size) -> dict[str, Result]:
    """Of a CPU's sampling, beside the network's clips a second where they were measured."""
    anonymous = Result(sampling.anonymous_bytes / 1e9, MOST_ANONYMOUS_GB, "lower")
    each = Result(1e3 * sampling.seconds_per_batch_s, None, "lower")
    results = {f"{COMPETITION}, anonymous GB": anonymous, f"{COMPETITION}, ms a batch": each}
    if network is not None:
        share = sampling.seconds_per_batch_s * network.value / size.batch_clips
        results[f"{COMPETITION}, sampling's share of the time"] = Result(share, MOST_SAMPLING_SHARE, "lower")
    return results


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
    # A batch of size full has the competition's own bands. It is drawn first, while the process has little memory.
    full, recipe = SIZES["full"], RECIPES[options.recipes[0]]
    sampling = None if device.type == "cuda" else measure_sampling(recipe, full, 20 if options.quick else None)
    for size in (SIZES[name] for name in sizes):
        for trained in (RECIPES[name] for name in options.recipes):
            results |= speed_results(trained, size, steps, device, compiled=options.compiled)
    if sampling is None:
        share = mapped_speed(recipe, full, steps, device).outside_share
        results[f"{COMPETITION}, sampling's share of the time"] = Result(share, MOST_SAMPLING_SHARE, "lower")
    else:
        results |= sampling_results(sampling, results.get(f"full {recipe.name}, clips/s"), full)
    print_report("training", results)


if __name__ == "__main__":
    main()
