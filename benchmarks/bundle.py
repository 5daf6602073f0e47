"""The bundle beside the package that it was made from: start-up, size, and the time to build it.

`python -m benchmarks.bundle [--quick]`; the package is a made-up one of 20 and of 200 modules, about as long and as
dense as the runtime's. On Kaggle every run is the first one on its machine, so the package that the targets compare
with has no compiled files beside it; the one with them is told too. Everyone has a turn in each round.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.report import Result, print_report
from bundler.build import SCRIPT_NAME, build
from bundler.project import read_project

CHECKOUT = Path(__file__).parents[1]
MODULE_COUNTS = (20, 200)
FUNCTIONS_PER_MODULE = 5
TOML = """[kernel]
id = "somebody/made-up"
title = "Made up"
entry = "package.start:main"
package = "package"
"""
HEAD = '''"""Module {number} of a made-up package."""

import json
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

'''
FUNCTION = '''
@dataclass(frozen=True)
class Settings{number}:
    """What step {number} needs."""

    factor: float = {number}.5
    """What each value is multiplied by."""


def step_{number}(values: Iterable[float], settings: Settings{number} = Settings{number}()) -> list[float]:
    """The values above the mean, weighted.

    Args:
        values: any finite numbers.
        settings: how much.
    """
    kept = [value * settings.factor for value in values if math.isfinite(value)]
    return sorted(value for value in kept if value > sum(kept) / max(len(kept), 1))
'''


@dataclass(frozen=True)
class Measured:
    """What one size of package came to; seconds are medians over the rounds."""

    start_s: Mapping[str, float]
    """From starting Python to its end, by way of running the package."""
    build_s: float
    """One build, in a process that has done it before."""
    command_s: float
    """`python bundle.py`, all of it."""
    overhead: float
    """What the script has beyond the sum of its sources, as a share of that sum."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the table and the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bundle", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: about half a minute")
    rounds = 7 if parser.parse_args(arguments).quick else 31
    measured = {count: measure(count, rounds) for count in MODULE_COUNTS}
    for count, found in measured.items():
        starts = ", ".join(f"{way} {seconds * 1e3:.0f} ms" for way, seconds in found.start_s.items())
        print(f"{count} modules: start-up {starts}; bundle.py {found.command_s:.2f} s")
    own = build(read_project(CHECKOUT))
    own_overhead = overhead(len(own.outputs[SCRIPT_NAME]), sum(len(file.content) for file in own.files))
    print_report("bundle", {**results(measured), "size_overhead_runtime": Result(own_overhead, 0.10, "lower")})


def overhead(script_bytes: int, sources_bytes: int) -> float:
    """What a script has beyond the sum of its sources, as a share of that sum."""
    return script_bytes / sources_bytes - 1


def measure(count: int, rounds: int) -> Measured:
    """Makes a package of this many modules and measures its bundle."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        write_package(project, count)
        builds_s = [timed(lambda: build(read_project(project))) for _ in range(3)]
        command = [sys.executable, str(CHECKOUT / "bundle.py"), "--project", str(project)]
        command_s = timed(lambda: run(command))
        script = project / "build" / SCRIPT_NAME
        sources_bytes = sum(path.stat().st_size for path in (project / "package").glob("*.py"))
        return Measured(
            start_s=measure_starts(project, script, rounds),
            build_s=median(builds_s),
            command_s=command_s,
            overhead=overhead(script.stat().st_size, sources_bytes),
        )


def write_package(project: Path, count: int) -> None:
    """A package whose entry imports all its modules, one after the other."""
    package = project / "package"
    package.mkdir()
    (project / "kernel.toml").write_text(TOML, encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    steps = "".join(FUNCTION.format(number=number) for number in range(FUNCTIONS_PER_MODULE))
    for number in range(count):
        (package / f"module_{number}.py").write_text(HEAD.format(number=number) + steps, encoding="utf-8")
    imports = "".join(f"from package import module_{number}\n" for number in range(count))
    (package / "start.py").write_text(f"{imports}\n\ndef main() -> None: ...\n", encoding="utf-8")


def measure_starts(project: Path, script: Path, rounds: int) -> dict[str, float]:
    """Seconds to start and end, by way: the bundle, the package as a first run meets it, and as a second one does."""
    package_command = [sys.executable, "-c", "from package.start import main; main()"]

    def first_run() -> None:
        shutil.rmtree(project / "package" / "__pycache__", ignore_errors=True)
        sample["package, first run"] = timed(lambda: run(package_command, project))

    def second_run() -> None:
        sample["package, compiled before"] = timed(lambda: run(package_command, project))

    def bundled() -> None:
        sample["bundle"] = timed(lambda: run([sys.executable, str(script)], project))

    samples: list[dict[str, float]] = []
    for _ in range(rounds + 1):  # the first round warms the disk's cache
        sample: dict[str, float] = {}
        turns: list[Callable[[], None]] = [first_run, second_run, bundled]
        for turn in turns:
            turn()
        samples.append(sample)
    return {way: median(sample[way] for sample in samples[1:]) for way in samples[0]}


def run(command: Sequence[str], folder: Path | None = None) -> None:
    """Runs a command to its end, in a clean environment."""
    environment = {"PATH": os.environ.get("PATH", os.defpath)}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def results(measured: Mapping[int, Measured]) -> dict[str, Result]:
    """What is worth quoting, against its targets."""
    found: dict[str, Result] = {}
    for count, one in measured.items():
        bundle_s, first_s, second_s = (
            one.start_s[way] for way in ("bundle", "package, first run", "package, compiled before")
        )
        found |= {
            f"startup_ratio_{count}": Result(bundle_s / first_s, 1.05, "lower"),
            f"startup_more_ms_{count}": Result((bundle_s - first_s) * 1e3, 20, "lower"),
            f"startup_more_than_compiled_ms_{count}": Result((bundle_s - second_s) * 1e3, None, "lower"),
            f"build_s_{count}": Result(one.build_s, 2, "lower"),
            f"size_overhead_{count}": Result(one.overhead, 0.10, "lower"),
        }
    return found


if __name__ == "__main__":
    main()
