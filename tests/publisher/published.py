"""What the tests of publishing share: a project, runs of publish.py, and what Kaggle would have."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMPETITION = "freesound-audio-tagging-2019"

KERNEL_TOML = """
[kernel]
id = "tester/tiny-kernel"
title = "Tiny kernel"
entry = "app.main:main"
package = "app"
competition = "freesound-audio-tagging-2019"
datasets = ["tester/tiny-weights"]

[limits]
time = "1h"
memory = "14GB"
disk = "5GB"
"""
SAMPLE = b"fname,Bark,Meow\none.wav,0,0\ntwo.wav,0,0\n"
LOG = (
    '[{"stream_name": "stdout", "time": 1.5, "data": "hello\\n"},'
    ' {"stream_name": "stdout", "time": 1800, "data": "bye\\n"}]'
)
SUBMISSION = b"fname,Bark,Meow\none.wav,0.5,0.25\ntwo.wav,0.125,1\n"


@dataclass
class FakeClock:
    """Time passes when somebody sleeps."""

    seconds_s: float = 0.0
    pauses_s: list[float] = field(default_factory=list)
    interrupts_at: int | None = None
    """Ctrl-C is pressed in this sleep, counted from one."""
    at_each_pause: Callable[[], object] = lambda: None
    """What happens meanwhile."""

    def now_s(self) -> float:
        return self.seconds_s

    def sleep(self, seconds_s: float) -> None:
        self.pauses_s.append(seconds_s)
        self.seconds_s += seconds_s
        self.at_each_pause()
        if len(self.pauses_s) == self.interrupts_at:
            raise KeyboardInterrupt


@dataclass(frozen=True)
class Run:
    """What a run of publish.py came to."""

    exit_code: int
    out: str
    err: str


Publish = Callable[..., Run]


def bundle(project: Path, *options: str) -> None:
    """Makes the project's bundle."""
    from bundler.cli import main

    assert main(["--project", str(project), *options]) == 0


def python(*arguments: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs a command of the project in a process of its own."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
