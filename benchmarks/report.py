"""How every benchmark ends: a table for people and, as the last line, one JSON object for programs."""

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Result:
    """One number worth quoting."""

    value: float
    """What was measured; its unit is in the result's name."""
    target: float | None
    """What it should be at least or at most; None where it is only told."""
    better: Literal["higher", "lower"]
    """Which way is good."""

    @property
    def met(self) -> bool:
        """Whether the value is at least as good as the target."""
        if self.target is None:
            return True
        return self.value >= self.target if self.better == "higher" else self.value <= self.target


def print_report(benchmark: str, results: Mapping[str, Result]) -> None:
    """Prints the results against their targets, then everything as one JSON line."""
    width = max(map(len, results))
    for name, result in results.items():
        aim = "" if result.target is None else f"  target {result.target:g}, {result.better} is better"
        verdict = "" if result.target is None else ("  met" if result.met else "  NOT met")
        print(f"{name:{width}}  {result.value:10.4g}{aim}{verdict}")
    listed = {
        name: {"value": result.value, "target": result.target, "better": result.better, "met": result.met}
        for name, result in results.items()
    }
    print(json.dumps({"benchmark": benchmark, "commit": commit(), "machine": machine(), "results": listed}))


def commit() -> str:
    """The commit that was measured, with a plus sign where files differ from it; empty outside a checkout."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=Path(__file__).parent)
    return done.stdout.strip()


def machine() -> str:
    """The processor, how many cores of it may be used, the system, and the GPUs that torch sees."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    import torch  # noqa: PLC0415 - not before the benchmark has set it up, or has measured how long it takes to load

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    processor = f"{names[0] if names else model}, {len(os.sched_getaffinity(0))} cores"
    return ", ".join([processor, platform.system(), *gpus])
