"""The spectrogram store beside its rivals: put and get of one spectrogram, and the disk's own rate.

`python -m benchmarks.store [--quick] [--folder F]`; everyone has a turn in each round, on memory that was warmed
before, and the table shows medians over the rounds with the least and the most. What is fetched from disk was
written just before, so it comes from the page cache, for everyone. zict and diskcache are extras:
`pip install --group bench`.
"""

import argparse
import mmap
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np

from benchmarks.report import Result, print_report
from benchmarks.store_rivals import RIVALS, TB, Array, FullMemory, Ours, Rival
from kernel_src.disk_tier import PaceSettings
from kernel_src.events import EventLog
from kernel_src.frontend import FrontendConfig, spectrogram
from kernel_src.memory import MemoryReader, QuickReader, memory_reader
from kernel_src.store import SpectrogramStore, StoreSettings

SHAPE = (256, 640)
WRITE_BYTES = 4 << 20
SPILL_BYTES = 256 << 20

Value = TypeVar("Value")


@dataclass
class Timings:
    """What one rival took, in microseconds an item, one number for each round."""

    put_us: list[float] = field(default_factory=list)
    get_us: list[float] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the table and the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer items and rounds: about a minute")
    parser.add_argument("--folder", type=Path, default=Path(), help="where on the disk to measure (default: here)")
    options = parser.parse_args(arguments)
    items, rounds = (200, 5) if options.quick else (1000, 11)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(SHAPE, np.float32).astype(np.float16) for _ in range(items)]

    timings = measure_rivals(arrays, rounds, options.folder)
    rates = [spill_rates(arrays, options.folder, ours_first=turn % 2 == 0) for turn in range(rounds + 1)][1:]
    monitor = monitor_share(clips=60 if options.quick else 300)
    print_table(timings, arrays[0].nbytes)
    spilled, plain = zip(*rates, strict=True)
    print(f"spill to the disk itself: {_spread(spilled)} MB/s; one long write: {_spread(plain)} MB/s")
    print(f"monitor: {monitor:.3%} of the time that computing takes")
    print_report("store", results(timings, _ratio(spilled, plain), monitor))


def warm_memory(nbytes: int) -> None:
    """Touches memory and lets go of it, so that whoever comes next is given pages which the hardware knows.

    A virtual machine's host finds a page only when it is first touched, which takes longer than all that is
    measured here and falls on whoever happens to come by.
    """
    memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    for start in range(0, nbytes, mmap.PAGESIZE):
        memory[start] = 1
    memory.close()


def measure_rivals(arrays: Sequence[Array], rounds: int, base: Path) -> dict[Rival, Timings]:
    """Everyone who is installed, in turn, round after round; the first round warms up and is not counted."""
    timings = {rival: Timings() for rival in RIVALS if rival.is_installed()}
    for counted in range(rounds + 1):
        for rival, timing in timings.items():
            warm_memory(2 * sum(array.nbytes for array in arrays))
            with tempfile.TemporaryDirectory(dir=base) as folder:
                put_us, get_us = measure(rival, arrays, Path(folder))
            if counted:
                timing.put_us.append(put_us)
                timing.get_us.append(get_us)
    return timings


def measure(rival: Rival, arrays: Sequence[Array], folder: Path) -> tuple[float, float]:
    """Microseconds an item to put all arrays and to get them all."""
    keys = [f"clip-{number}" for number in range(len(arrays))]
    with rival.make(folder) as keeper:
        began = time.perf_counter()
        for key, array in zip(keys, arrays, strict=True):
            keeper.put(key, array)
        between = time.perf_counter()
        for key in keys:
            keeper.get(key)
        ended = time.perf_counter()
        assert np.array_equal(keeper.get(keys[-1]), arrays[-1])
    return (between - began) / len(keys) * 1e6, (ended - between) / len(keys) * 1e6


def spill_rates(arrays: Sequence[Array], base: Path, *, ours_first: bool) -> tuple[float, float]:
    """Our rate of spilling and the disk's own for one long write, in MB/s, both until the disk has it all."""
    measures = (_ours_to_disk_s, _plain_to_disk_s)
    took_s = {measure: measure(arrays, base) for measure in (measures if ours_first else measures[::-1])}
    ours, plain = (SPILL_BYTES / 1e6 / took_s[measure] for measure in measures)
    return ours, plain


def _ours_to_disk_s(arrays: Sequence[Array], base: Path) -> float:
    count = -(-SPILL_BYTES // arrays[0].nbytes)
    with tempfile.TemporaryDirectory(dir=base) as folder, Ours(Path(folder), FullMemory()) as keeper:
        began = time.perf_counter()
        for number in range(count):
            keeper.put(str(number), arrays[number % len(arrays)])
        keeper.store.sync()
        return time.perf_counter() - began


def _plain_to_disk_s(arrays: Sequence[Array], base: Path) -> float:
    data = np.concatenate(arrays).reshape(-1).view(np.uint8)[:WRITE_BYTES].data
    with tempfile.TemporaryFile(dir=base, buffering=0) as file:
        began = time.perf_counter()
        os.posix_fallocate(file.fileno(), 0, SPILL_BYTES)
        for _ in range(SPILL_BYTES // WRITE_BYTES):
            file.write(data)
        os.fdatasync(file.fileno())
        return time.perf_counter() - began


class TimedReader:
    """A reader that adds up the time it takes."""

    def __init__(self, reader: MemoryReader) -> None:
        self.spent_s = 0.0
        self.used_bytes = self._timed(reader.used_bytes)
        self.limit_bytes = self._timed(reader.limit_bytes)
        self.at_most_bytes = self._timed(reader.at_most_bytes if isinstance(reader, QuickReader) else reader.used_bytes)

    def _timed(self, read: Callable[[], Value]) -> Callable[[], Value]:
        def timed() -> Value:
            began_s = time.thread_time()
            value = read()
            self.spent_s += time.thread_time() - began_s
            return value

        return timed


def monitor_share(clips: int) -> float:
    """The share of watching memory in the time of one thread that computes and stores spectrograms of 10 s."""
    config, reader = FrontendConfig(), TimedReader(memory_reader())
    waveform = np.random.default_rng(1).standard_normal(10 * config.sample_rate_hz).astype(np.float32)
    spectrogram(waveform, config)
    settings = StoreSettings(TB, 0, 0, 0, pace=PaceSettings())
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 -- a device, not a path of ours
        events = EventLog(None, lambda: 0.0, nowhere)
        with SpectrogramStore(settings, reader, None, events) as store:
            began = time.thread_time()
            for clip in range(clips):
                store.put(str(clip), spectrogram(waveform, config))
            return reader.spent_s / (time.thread_time() - began)


def print_table(timings: dict[Rival, Timings], nbytes: int) -> None:
    """For people: medians, with the least and the most of the rounds in brackets."""
    print(f"one spectrogram of {SHAPE[0]} x {SHAPE[1]} float16, {nbytes / 1e6:.2f} MB")
    print(f"{'':24}{'put us':>22}{'MB/s':>8}{'get us':>26}{'MB/s':>10}")
    for rival in RIVALS:
        if rival not in timings:
            print(f"{rival.name:24}  skipped: {rival.needs} is not installed (pip install --group bench)")
            continue
        put, get = timings[rival].put_us, timings[rival].get_us
        print(f"{rival.name:24}{_spread(put):>22}{_rate(put, nbytes):>8}{_spread(get):>26}{_rate(get, nbytes):>10}")


def _spread(values: Sequence[float]) -> str:
    digits = 2 if median(values) < 10 else 0
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def _rate(values: Sequence[float], nbytes: int) -> str:
    return f"{nbytes / median(values):.0f}"


def results(timings: dict[Rival, Timings], spill: float, monitor: float) -> dict[str, Result]:
    """What the targets are about; ratios are medians of the rounds' ratios."""
    of = {rival.name: timing for rival, timing in timings.items()}
    ours, manager, disk = of["ours, memory"], of["Manager dict (silver)"], of["ours, disk"]
    others = [timing.get_us for rival, timing in timings.items() if rival.on_disk and rival.name != "ours, disk"]
    best = min(others, key=median)
    return {
        "get_from_memory_us": Result(median(ours.get_us), 2.0, "lower"),
        "get_manager_dict_us": Result(median(manager.get_us), None, "higher"),
        "put_speedup_over_manager_dict": Result(_ratio(manager.put_us, ours.put_us), 5.0, "higher"),
        "spill_share_of_disk_rate": Result(spill, 0.8, "higher"),
        "fetch_speedup_over_best_rival": Result(_ratio(best, disk.get_us), 1.0, "higher"),
        "monitor_share_of_run": Result(monitor, 0.005, "lower"),
    }


def _ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return median(one / other for one, other in zip(above, below, strict=True))


if __name__ == "__main__":
    main()
