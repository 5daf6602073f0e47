"""The frontend beside librosa as the silver solution calls it, and beside the bare Fourier transforms.

`python -m benchmarks.frontend [--quick] [--data D] [--device cuda]`: from files of `D/train_curated` to stored
spectrograms, with the silver solution's settings. Everyone has a turn in each round; the first round warms up; the
table shows medians over the rounds with the least and the most, in milliseconds for 10 s of trimmed sound. What runs on
one thread is measured in time of the processor, which neighbours on the machine disturb less. Without
`--data` it makes the demo data first. A CUDA device is measured where there is one; `--device cpu` sends the same code
through torch on the CPU, to see that it runs.
"""

from kernel_src.before_torch import prepare_for_torch

prepare_for_torch()

import argparse  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from functools import partial  # noqa: E402
from io import StringIO  # noqa: E402
from pathlib import Path  # noqa: E402
from statistics import median  # noqa: E402

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import scipy.fft  # noqa: E402
import torch  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from benchmarks.frontend_rivals import (  # noqa: E402
    AMPLE,
    SILVER,
    Rival,
    Times,
    bare_ffts,
    decoded,
    in_turns,
    librosa_pcen,
    with_librosa,
    with_ours,
)
from benchmarks.frontend_stages import stage_times  # noqa: E402
from benchmarks.long_clip import extraction_peak_bytes  # noqa: E402
from benchmarks.queueing import Share, undisturbed_s  # noqa: E402
from benchmarks.report import Result, print_report  # noqa: E402
from kernel_src.cpus import usable_cpus  # noqa: E402
from kernel_src.events import EventLog  # noqa: E402
from kernel_src.extractors import Extractor, ProcessExtractor, ThreadExtractor, started_extractors  # noqa: E402
from kernel_src.frontend import mel_energies, pcen  # noqa: E402
from kernel_src.frontend_numpy import CHUNK_FRAMES  # noqa: E402
from kernel_src.long_signal import LongSignal  # noqa: E402
from kernel_src.memory import memory_reader  # noqa: E402
from kernel_src.store import SpectrogramStore  # noqa: E402
from kernel_src.torch_frontend import TorchFrontend  # noqa: E402
from train_offline.demo_data import write_demo_data  # noqa: E402

DEVICE_CLIPS = 400
"""A device that is fed by many is through with a few clips before all of them are at work."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the tables and the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontend", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer clips and rounds: about a minute")
    parser.add_argument("--data", type=Path, help="a data set in the competition's layout (default: the demo's)")
    parser.add_argument(
        "--device", choices=["cuda", "cpu"], help="where torch computes (default: CUDA if there is one)"
    )
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_demo_data(Path(folder) / "data")
        data = options.data or Path(folder) / "data"
        paths = some_clips(data, 40 if options.quick else 160)
        device = pick_device(options.device)
        with started_extractors(usable_cpus() if device else 2, print, rests_after_s=3600.0) as extractors:
            measure(paths, some_clips(data, DEVICE_CLIPS), 5 if options.quick else 9, extractors, device)


def some_clips(data: Path, count: int) -> list[Path]:
    """Clips of the curated split, evenly spread over the sorted names."""
    paths = sorted((data / "train_curated").glob("*.wav"))
    if not paths:
        raise SystemExit(f"{data}/train_curated has no .wav file; give a data set in the competition's layout")
    return paths[:: max(1, len(paths) // count)][:count]


def pick_device(wanted: str | None) -> torch.device | None:
    """The device that is to be measured beside the CPU's threads."""
    if wanted is None and not torch.cuda.is_available():
        print("no CUDA device here: torch's frontend is not measured (--device cpu runs it all the same)")
        return None
    return torch.device(wanted or "cuda")


def measure(
    paths: Sequence[Path],
    device_paths: Sequence[Path],
    rounds: int,
    extractors: Sequence[Extractor],
    device: torch.device | None,
) -> None:
    """All rounds, then the tables and the results."""
    waveforms = [decoded(path) for path in paths]
    tens_s = sum(map(len, waveforms)) / SILVER.sample_rate_hz / 10
    print(
        f"{len(paths)} clips, {tens_s * 10:.0f} s of trimmed sound; milliseconds for 10 s, medians of {rounds} rounds"
    )
    n_frames = sum(1 + len(waveform) // SILVER.hop_samples for waveform in waveforms)
    rivals = [
        Rival("librosa, 1 thread", lambda: with_librosa(paths, 1)),
        Rival("ours, 1 thread", lambda: with_ours(paths, [ThreadExtractor()])),
        *bare_ffts(n_frames),
        Rival("librosa, 2 threads", lambda: with_librosa(paths, 2), time.perf_counter),
        Rival("ours, 2 processes", lambda: with_ours(paths, extractors[:2]), time.perf_counter),
        Rival("ours, 1 process", lambda: with_ours(paths, extractors[:1]), time.perf_counter),
        *device_rivals(device_paths, tens_s, extractors, device),
    ]
    torch.set_num_threads(1)
    with threadpool_limits(1):  # a thread of Python is a thread: BLAS starts none of its own
        times = in_turns(rivals, rounds, tens_s)
        print_table(times)
        print_breakdown(stage_times(paths, rounds, tens_s), median(times["ours, 1 thread"]))
        gains = [second_threads_undisturbed(paths, extractors) for _ in range(rounds)]
        second_threads = {name: median(gain[name] for gain in gains) for name in gains[0]}
        difference = largest_difference(paths[:20])
    print_report("frontend", results(times, second_threads, difference, device))


def device_rivals(
    paths: Sequence[Path], tens_s: float, extractors: Sequence[Extractor], device: torch.device | None
) -> list[Rival]:
    """The device alone, from waveforms to spectrograms in our memory, and the whole way with decoding processes."""
    if device is None:
        return []
    frontend = TorchFrontend(SILVER, device)
    waveforms = [decoded(path) for path in paths]
    times_the_sound = sum(map(len, waveforms)) / SILVER.sample_rate_hz / 10 / tens_s

    def alone() -> None:
        for first in range(0, len(waveforms), 40):
            frontend.spectrograms(LongSignal.of(waveforms[first : first + 40], SILVER, pinned=device.type == "cuda"))

    def whole() -> None:
        with_ours(paths, extractors, device)

    name = f"torch on {device.type}"
    return [
        Rival(f"{name}, without decoding", alone, time.perf_counter, times_the_sound),
        Rival(f"{name}, {len(extractors)} decoding processes", whole, time.perf_counter, times_the_sound),
    ]


def second_threads_undisturbed(paths: Sequence[Path], extractors: Sequence[Extractor]) -> dict[str, float]:
    """What a second thread gains where each has a core of its own, whoever else is at work on this machine.

    Of the whole way, with processes that work for the threads and without, and of two of its parts in threads:
    transforms say what this machine has to give at all, and decoding has the most steps that need the interpreter's
    lock.
    """
    frames = np.random.default_rng(0).standard_normal((CHUNK_FRAMES, SILVER.n_fft)).astype(np.float32)
    with SpectrogramStore(AMPLE, memory_reader(), None, EventLog(None, lambda: 0.0, StringIO())) as store:

        def make(extractor: Extractor, path: Path) -> None:
            store.put(path.name, extractor.spectrogram(path, SILVER))

        def transform(_: Path) -> None:
            for _turn in range(10):
                scipy.fft.rfft(frames.T, axis=0)

        in_process = [(partial(make, extractor), worker_pid(extractor)) for extractor in extractors[:2]]
        return {
            "": second_gain(paths, in_process),
            "_in_threads": second_gain(paths, [(partial(make, ThreadExtractor()), None)] * 2),
            "_transforming": second_gain(paths, [(transform, None)] * 2),
            "_decoding": second_gain(paths, [(decoded, None)] * 2),
        }


def second_gain(paths: Sequence[Path], works: Sequence[tuple[Callable[[Path], object], int | None]]) -> float:
    """The time that one thread takes for all, over the time that two take for a half each."""
    one, other = ([Share(paths[start::2], work, pid)] for start, (work, pid) in enumerate(works))
    undisturbed_s(one)  # memory is warm for both
    undisturbed_s(other)
    alone_s = undisturbed_s([Share(paths, *works[0])])
    return alone_s / undisturbed_s([*one, *other])


def worker_pid(extractor: Extractor) -> int:
    """The process that does an extractor's work."""
    assert isinstance(extractor, ProcessExtractor), extractor
    return int(psutil.Process(extractor.pid).children()[0].pid)


def print_table(times: Times) -> None:
    """For people: medians, with the least and the most of the rounds in brackets."""
    for name, values in times.items():
        print(f"{name:36}{_spread(values):>26}")


def print_breakdown(times: Times, whole_ms: float) -> None:
    """Where the time of one thread goes."""
    total_ms = sum(median(values) for values in times.values())
    print(f"where the time goes, on one thread ({total_ms:.2f} ms for the stages one by one, {whole_ms:.2f} together)")
    for name, values in times.items():
        print(f"  {name:34}{_spread(values):>26}{median(values) / total_ms:8.0%}")


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def largest_difference(paths: Sequence[Path]) -> float:
    """Between our spectrograms and librosa's, before rounding."""
    differences = []
    for path in paths:
        waveform = decoded(path)
        differences.append(np.abs(pcen(mel_energies(waveform, SILVER), SILVER) - librosa_pcen(path)).max())
    return float(max(differences))


def results(
    times: Times, second_threads: dict[str, float], difference: float, device: torch.device | None
) -> dict[str, Result]:
    """What the targets are about; ratios are medians of the rounds' ratios."""
    bare = min((values for name, values in times.items() if name.startswith("bare")), key=median)
    found = {
        "speedup_over_librosa_1_thread": Result(
            _ratio(times["librosa, 1 thread"], times["ours, 1 thread"]), 2.5, "higher"
        ),
        "speedup_over_librosa_2_threads": Result(
            _ratio(times["librosa, 2 threads"], times["ours, 2 processes"]), 4.0, "higher"
        ),
        "speedup_of_2_threads_over_librosa_1": Result(
            _ratio(times["librosa, 1 thread"], times["ours, 2 processes"]), None, "higher"
        ),
        "times_the_bare_ffts": Result(_ratio(times["ours, 1 thread"], bare), 2.0, "lower"),
        "times_scipys_bare_ffts": Result(_ratio(times["ours, 1 thread"], times["bare FFTs, scipy"]), None, "lower"),
        "speedup_of_a_second_thread": Result(
            _ratio(times["ours, 1 process"], times["ours, 2 processes"]), None, "higher"
        ),
        **{
            f"speedup_of_a_second_thread{name}_without_neighbours": Result(gain, None if name else 1.8, "higher")
            for name, gain in second_threads.items()
        },
        "largest_difference_from_librosa": Result(difference, 1e-4, "lower"),
        "ten_minute_clip_peak_mb": Result(extraction_peak_bytes() / 1e6, 200, "lower"),
    }
    target = 50.0 if device is not None and device.type == "cuda" else None
    for name, values in times.items():
        if name.startswith("torch on"):
            key = name.replace(",", "").replace(" ", "_")
            found[f"{key}_speedup_over_librosa_1_thread"] = Result(
                _ratio(times["librosa, 1 thread"], values), target, "higher"
            )
    return found


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return median(one / other for one, other in zip(above, below, strict=True))


if __name__ == "__main__":
    main()
