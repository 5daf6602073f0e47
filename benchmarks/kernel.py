"""The whole kernel beside the silver solution's way, and how its time grows with the clips.

`python -m benchmarks.kernel [--quick] [--data D --weights W]`: all test clips of D, two members of W, five looks each,
with every start-up counted. The silver solution's kernel (benchmarks/silver_kernel.py) takes as many crops. Without
data, and with --quick, it is noise of up to 8 s and untrained networks of the full size. Growth is measured with a tiny
network, on short clips that are repeated.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.kernel_runs import (
    KernelMemory,
    KernelRun,
    memory_of_ours,
    run_ours,
    run_silver,
    write_clips,
    write_inputs,
    write_weights,
)
from benchmarks.report import Result, print_report
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import read_manifest
from kernel_src.model_config import ModelConfig

N_MEMBERS, N_VIEWS = 2, 5
OWN_CLIPS, OWN_LONGEST_S = 80, 8.0
LABELS = tuple(f"Label_{index:02d}" for index in range(80))
GROWTH_CLIPS = (100, 1_000, 10_000)
GROWTH_PASSES = 4


@dataclass(frozen=True)
class Compared:
    """Runs of both, in turns."""

    ours: list[KernelRun]
    silver: list[KernelRun]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the table and the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernel", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, and growth to 1,000 clips: two minutes")
    parser.add_argument("--data", type=Path, help="a data set with a test split")
    parser.add_argument("--weights", type=Path, help="weights that were trained on it")
    options = parser.parse_args(arguments)
    if (options.data is None) != (options.weights is None):
        parser.error("--data and --weights go together")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, weights = options.data, options.weights
        if data is None:
            data, weights = folder / "data", folder / "weights"
            write_clips(data, OWN_CLIPS, LABELS, OWN_LONGEST_S)
            write_weights(weights, LABELS, ModelConfig(n_labels=len(LABELS)), FrontendConfig(), N_MEMBERS)
        n_clips = len((data / "sample_submission.csv").read_text(encoding="utf-8").splitlines()) - 1
        if options.quick:
            n_clips = min(n_clips, OWN_CLIPS)
        compared = compare(folder, data, weights, n_clips, rounds=1 if options.quick else 2)
        memory = memory_of_ours(folder / "inputs", folder / "watched", N_MEMBERS * N_VIEWS)
        grown = grow(folder, GROWTH_CLIPS[:2] if options.quick else GROWTH_CLIPS)
    print_table(compared, grown, read_manifest(weights).labels if options.data else LABELS, n_clips)
    print_report("kernel", {**comparison_results(compared), **memory_results(memory), **growth_results(grown)})


def compare(folder: Path, data: Path, weights: Path, n_clips: int, rounds: int) -> Compared:
    """Both on the same inputs, in turns."""
    inputs = folder / "inputs"
    write_inputs(inputs, data, weights, n_clips, N_MEMBERS)
    ours, silver = [], []
    for turn in range(rounds):
        ours.append(run_ours(inputs, folder / f"ours{turn}", N_MEMBERS * N_VIEWS))
        silver.append(run_silver(inputs, folder / f"silver{turn}", N_VIEWS, ours[-1].looks))
    return Compared(ours, silver)


def grow(folder: Path, counts: Sequence[int]) -> dict[int, KernelRun]:
    """Our kernel with a tiny network on more and more clips."""
    data, weights = folder / "short", folder / "tiny"
    write_clips(data, GROWTH_CLIPS[0], LABELS, longest_s=1.0)
    config = ModelConfig(n_labels=len(LABELS), n_mels=16, crop_frames=32, width=2, depth=3)
    write_weights(weights, LABELS, config, FrontendConfig(n_mels=16, n_fft=2048, hop_samples=1378))
    runs = {}
    for count in counts:
        inputs = folder / f"inputs{count}"
        write_inputs(inputs, data, weights, count, N_MEMBERS)
        runs[count] = run_ours(inputs, folder / f"grown{count}", GROWTH_PASSES)
    return runs


def print_table(compared: Compared, grown: dict[int, KernelRun], labels: Sequence[str], n_clips: int) -> None:
    """Everything, for people."""
    print(f"{n_clips} clips, {len(labels)} labels, {N_MEMBERS} members, {N_VIEWS} looks each")
    for name, runs in (("ours", compared.ours), ("silver", compared.silver)):
        for run in runs:
            each = f"{run.look_s * 1e3:.2f} ms a crop in later passes"
            print(f"{name:7} {run.wall_s:7.1f} s in all, {run.looks} crops, {each}")
    for count, run in grown.items():
        per_clip_ms = (run.wall_s - run.first_look_s) / count * 1e3
        each = f"{run.look_s * 1e3:.3f} ms a crop, {per_clip_ms:.2f} ms a clip after the start-up"
        print(f"{count:7,} clips: {run.wall_s:.1f} s in all, first batch after {run.first_look_s:.2f} s, {each}")


def comparison_results(compared: Compared) -> dict[str, Result]:
    """Ratios to the silver solution's way."""
    ours_s, silver_s = (median(run.wall_s for run in runs) for runs in (compared.ours, compared.silver))
    ours_look_s, silver_look_s = (median(run.look_s for run in runs) for runs in (compared.ours, compared.silver))
    share = median(run.network_share for run in compared.ours)
    return {
        "whole_kernel_ratio": Result(silver_s / ours_s, 3.0, "higher"),
        "pass_ratio": Result(silver_look_s / ours_look_s, 5.0, "higher"),
        "share_of_time_inside_the_network": Result(share, 0.95, "higher"),
        "whole_kernel_s": Result(ours_s, None, "lower"),
        "silver_kernel_s": Result(silver_s, None, "lower"),
    }


def memory_results(memory: KernelMemory) -> dict[str, Result]:
    """The peak beyond the store and the weights: all that is resident, and without pages of files."""
    expected_bytes = memory.store_bytes + memory.weights_bytes
    return {
        "resident_beyond_store_and_weights_mb": Result((memory.resident_bytes - expected_bytes) / 1e6, 600, "lower"),
        "of_that_without_pages_of_files_mb": Result((memory.own_bytes - expected_bytes) / 1e6, None, "lower"),
    }


def growth_results(grown: dict[int, KernelRun]) -> dict[str, Result]:
    """What changes as the clips grow in number, with a fifth of tolerance for what should not change."""
    low, high = min(grown), max(grown)
    middle = sorted(grown)[-2]
    few, many, fewer = grown[low], grown[high], grown[middle]

    def clip_s(count: int) -> float:
        return (grown[count].wall_s - grown[count].first_look_s) / count

    return {
        f"clip_time_ratio_{high}_to_{middle}": Result(clip_s(high) / clip_s(middle), 1.2, "lower"),
        f"pass_time_per_clip_ratio_{high}_to_{middle}": Result(many.look_s / fewer.look_s, 1.2, "lower"),
        f"pass_time_per_clip_ratio_{high}_to_{low}": Result(many.look_s / few.look_s, 1.2, "lower"),
        f"start_up_more_s_{high}": Result(many.first_look_s - few.first_look_s, 2.0, "lower"),
    }


if __name__ == "__main__":
    main()
