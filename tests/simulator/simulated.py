"""What the simulator's tests share: a run of simulate.py, and a look at what it may have left behind."""

import json
import os
import site
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
# Another interpreter of the same version may stand in for one that only its owner may run.
AS_NOBODY: dict[str, Any] = {
    "user": NOBODY,
    "group": NOBODY,
    "extra_groups": [],
    "env": {"PYTHONPATH": site.getsitepackages()[0], "PYTHONDONTWRITEBYTECODE": "1"},
}

PROLOGUE = """
import csv, json, mmap, os, pathlib, signal, socket, subprocess, sys, time

overrides = json.loads(os.environ["HOURGLASS_OVERRIDES"])
inputs = pathlib.Path(overrides.get("input_dir", "/kaggle/input"))


def sample():
    with next(inputs.rglob("sample_submission.csv")).open() as file:
        return list(csv.reader(file))


def write(rows):
    with open("part", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    os.replace("part", "submission.csv")


def write_valid():
    header, *rows = sample()
    write([header, *[[row[0], *[str(index / 10) for index in range(1, len(header))]] for row in rows]])

"""


@dataclass(frozen=True)
class Run:
    """One run of simulate.py."""

    exit_code: int
    stdout: str
    stderr: str
    out: Path

    @property
    def summary(self) -> dict[str, Any]:
        path = self.out / "summary.json"
        assert path.exists(), self.stdout + self.stderr
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return fields


Simulate = Callable[..., Run]
SimulateScript = Callable[..., Run]


def make_data(folder: Path, truth: str | None = None) -> Path:
    """A folder in the competition's layout with six clips, which all have the label `truth`."""
    (folder / "test").mkdir(parents=True, exist_ok=True)
    names = [f"{index:08x}.wav" for index in range(6)]
    rows = "".join(f"{name},0,0,0\n" for name in names)
    (folder / "sample_submission.csv").write_text(f"fname,Bark,Meow,Moo\n{rows}", encoding="utf-8")
    for name in names:
        (folder / "test" / name).write_bytes(name.encode() * 100)
    if truth:
        rows = "".join(f"{name},{truth}\n" for name in names)
        (folder / "test.csv").write_text(f"fname,labels\n{rows}", encoding="utf-8")
    return folder


def leftovers(folder: Path) -> list[str]:
    """Processes, loop devices and hidden folders that belong to a run in this folder; control groups of the dead."""
    loops = Path("/sys/block").glob("loop*/loop/backing_file")
    groups = Path("/sys/fs/cgroup").glob("**/hourglass-*")
    return [
        *(f"process {process.pid} {process.cmdline()}" for process in psutil.process_iter() if _is_in(process, folder)),
        *(f"loop {path}" for path in loops if str(folder) in path.read_text(encoding="utf-8")),
        *(f"group {path}" for path in groups if path.is_dir() and not _owner_lives(path)),
        *(f"folder {path}" for path in folder.rglob(".kernel")),
    ]


def _is_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return str(folder) in f"{process.cwd()} {process.cmdline()}" and process.pid != os.getpid()
    except psutil.Error:
        return False


def _owner_lives(group: Path) -> bool:
    return Path("/proc", group.name.split("-")[1]).exists()


def run_simulator(
    body: str, folder: Path, arguments: Sequence[str], *, python: str = sys.executable, **more: str
) -> Run:
    """Runs simulate.py on a kernel given as text, as `run_script` does."""
    script = folder / "kernel.py"
    script.write_text(PROLOGUE + body, encoding="utf-8")
    return run_script(script, folder, arguments, python=python, **more)


def run_script(
    script: Path, folder: Path, arguments: Sequence[str], *, python: str = sys.executable, **environment: str
) -> Run:
    """Runs simulate.py on a script kernel, in a folder; as nobody where the folder is nobody's."""
    command = [python, str(REPOSITORY / "simulate.py"), "--script", str(script), *arguments]
    as_user = AS_NOBODY if folder.stat().st_uid == NOBODY else {}
    variables = {**os.environ, **as_user.get("env", {}), **environment}
    done = subprocess.run(
        command, cwd=folder, **{**as_user, "env": variables}, capture_output=True, text=True, check=False
    )
    return Run(done.returncode, done.stdout, done.stderr, folder / "build" / "run")
