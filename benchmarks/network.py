"""The network's ways to compute beside the plain module: windows a second, and how far their answers are apart.

`python -m benchmarks.network [--quick]`; the full-size network, 256 mels x 256 frames, batches of 16. The plain module
runs with malloc and OpenMP as they are, each way in a process of its own, in turns. On two cores the runtime has a
single-threaded worker on each; the plain module has the better of that and torch's own two threads. Where there is a
GPU, its ways are measured too, with the card's name. Without --quick `torch.compile` is measured as well.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

import torch

from benchmarks.network_gpu import gpu_results
from benchmarks.network_worker import Way
from benchmarks.report import Result, print_report
from kernel_src.backends import candidates, multiplies_bfloat16
from kernel_src.devices import CPU

CHECKOUT = Path(__file__).parents[1]
BASELINE = "plain, default malloc"
WAYS = {
    BASELINE: Way("plain", prepared=False),
    "plain, large blocks kept": Way("plain", prepared=True),
    "folded-float32": Way("folded-float32", prepared=True),
    "winograd-float32": Way("winograd-float32", prepared=True),
}
HALF = {"folded-bfloat16": Way("folded-bfloat16", prepared=True)}
COMPILED = {
    "torch.compile float32": Way("compiled-float32", prepared=True, compile_again=True),
    "torch.compile bfloat16": Way("compiled-bfloat16", prepared=True, compile_again=True),
}
MODES = ("one", "two", "torch")
Rates = Mapping[tuple[str, str], float]
"""Images a second, medians, by way and mode; the mode ends in `beside` where a neighbour holds a core."""


class Worker:
    """A process that times rounds of one way."""

    def __init__(self, way: Way) -> None:
        environment = {**os.environ}
        if way.compile_again:
            environment["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
        command = [sys.executable, "-m", "benchmarks.network_worker", json.dumps(asdict(way))]
        self._process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        first = self._answer()
        self.start_s, self.difference = first["start_s"], first["difference"]

    def rate(self, mode: str, seconds_s: float, *, bare: bool = False) -> float:
        """Images a second in one round."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"mode": mode, "seconds_s": seconds_s, "bare": bare}) + "\n")
        self._process.stdin.flush()
        return self._answer()["images_per_s"]

    def close(self) -> None:
        """Lets the process end."""
        self._process.communicate()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """Another program that holds the second core."""
    core = max(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        time.sleep(0.2)
        yield
    finally:
        process.kill()
        process.wait()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the tables and the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.network", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds, without torch.compile: two minutes")
    quick = parser.parse_args(arguments).quick
    ways = {**WAYS, **(HALF if multiplies_bfloat16(CPU) else {}), **({} if quick else COMPILED)}
    workers = {name: Worker(way) for name, way in ways.items()}
    rates = measure(workers, rounds=3 if quick else 5, seconds_s=1.0 if quick else 2.0)
    for worker in workers.values():
        worker.close()
    print_table(workers, rates)
    results = cpu_results(workers, rates)
    if torch.cuda.is_available():
        results |= gpu_results()
    print_report("network", results)


def is_the_runtimes(name: str) -> bool:
    """Whether the kernel's own code computes in this way; half precision it takes on GPUs only."""
    return name.startswith(("folded", "winograd"))


def measure(workers: Mapping[str, Worker], rounds: int, seconds_s: float) -> Rates:
    """All ways in all modes, in turns."""
    samples: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, worker in workers.items():
            for mode in MODES[: 3 if "plain" in name else 2]:
                samples[name, mode].append(worker.rate(mode, seconds_s))
            if is_the_runtimes(name):
                samples[name, "bare"].append(worker.rate("one", seconds_s / 2, bare=True))
        with neighbour():
            for name, worker in workers.items():
                if name == BASELINE:
                    samples[name, "torch beside"].append(worker.rate("torch", seconds_s))
                elif is_the_runtimes(name):
                    samples[name, "two beside"].append(worker.rate("two", seconds_s))
    return {key: median(values) for key, values in samples.items()}


def print_table(workers: Mapping[str, Worker], rates: Rates) -> None:
    """Everything, for people."""
    print(f"{'images a second':27}{'1 core':>9}{'2 cores':>9}{'torch x2':>9}{'beside':>9}{'start s':>9}{'differs':>10}")
    for name, worker in workers.items():
        columns = [
            rates.get((name, "one")),
            rates.get((name, "two")),
            rates.get((name, "torch")),
            rates.get((name, "two beside"), rates.get((name, "torch beside"))),
        ]
        cells = "".join(f"{'' if rate is None else format(rate, '.1f'):>9}" for rate in columns)
        print(f"{name:27}{cells}{worker.start_s:9.1f}{worker.difference:10.1e}")


def cpu_results(workers: Mapping[str, Worker], rates: Rates) -> dict[str, Result]:
    """What is worth quoting, against its targets."""
    one = rates[BASELINE, "one"]
    two = max(rates[BASELINE, "two"], rates[BASELINE, "torch"])
    results = {"plain_images_per_s": Result(one, None, "higher")}
    ours = [name for name in workers if is_the_runtimes(name)]
    best = max((name for name in ours if name in candidates(CPU)), key=lambda name: rates[name, "one"])
    for name in workers:
        if name != BASELINE:
            aim = 3.0 if name == best else None
            key = name.replace(", ", "_").replace(" ", "_")
            results[f"{key}_one_core_ratio"] = Result(rates[name, "one"] / one, aim, "higher")
            results[f"{key}_two_cores_ratio"] = Result(rates[name, "two"] / two, aim, "higher")
    for name in ours:
        results |= {
            f"{name}_images_per_s": Result(rates[name, "one"], None, "higher"),
            f"{name}_beside_neighbour_share": Result(rates[name, "two beside"] / rates[name, "two"], 0.6, "higher"),
            f"{name}_share_of_bare_convolutions": Result(rates[name, "one"] / rates[name, "bare"], None, "higher"),
            f"{name}_probability_difference": Result(
                workers[name].difference, 1e-3 if name.endswith("float32") else None, "lower"
            ),
        }
    beside = rates[BASELINE, "torch beside"] / rates[BASELINE, "torch"]
    return {**results, "plain_beside_neighbour_share": Result(beside, None, "higher")}


if __name__ == "__main__":
    main()
