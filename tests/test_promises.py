"""The bundled script against what may happen to it: killed, told to go, hung, out of disk, with a fault of our own.

With `--recordings DIR` clips of that data set are tagged instead of tones.
"""

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from kernel_src.cpus import usable_cpus
from kernel_src.manifest import read_manifest
from kernel_src.overrides import OVERRIDES_VARIABLE, RERUN_VARIABLE
from sample_data import LABELS, make_weights, write_table
from train_offline.manifest_file import write_manifest

ROOT = Path(__file__).parents[1]
PRIORS = [0.1, 0.2, 0.3]
N_CLIPS = 60


@dataclass
class Kernel:
    """The script in its folders, run as often as a test likes."""

    script: Path
    root: Path

    @property
    def working(self) -> Path:
        return self.root / "working"

    def start(self, *, rerun: bool = True, **overrides: object) -> subprocess.Popen[str]:
        told = {"input_dir": str(self.root / "input"), "working_dir": str(self.working), **overrides}
        variables = {**os.environ, OVERRIDES_VARIABLE: json.dumps(told)}
        if rerun:
            variables[RERUN_VARIABLE] = "1"
        return subprocess.Popen(
            [sys.executable, self.script], env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def rows(self) -> list[list[float]]:
        """The values of a submission that must be complete and valid."""
        with (self.working / "submission.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        with (self.root / "input" / "competition" / "sample_submission.csv").open(newline="") as file:
            wanted, *names = csv.reader(file)
        assert header == wanted
        assert [row[0] for row in rows] == [name[0] for name in names]
        return [[float(value) for value in row[1:]] for row in rows]

    def tagged(self) -> int:
        return sum(row != pytest.approx(PRIORS) for row in self.rows())

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = (self.working / "run.jsonl").read_text().splitlines()
        return [entry for entry in map(json.loads, lines) if entry["event"] == name]


def wait_for(process: subprocess.Popen[str], words: str) -> str:
    """Reads what the script prints up to a line with these words."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            return seen
    raise AssertionError(f"never said {words!r}:\n{seen}")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, made once."""
    out = tmp_path_factory.mktemp("bundle")
    subprocess.run([sys.executable, "bundle.py", "--out", out], cwd=ROOT, check=True, capture_output=True)
    return out / "kernel.py"


@pytest.fixture
def kernel(script: Path, competition: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """Sixty clips and twenty small members: passes for some seconds."""
    folder = competition.rename(competition.parent / "competition")
    fill_with_clips(folder / "test", request.config.getoption("--recordings"))
    list_clips(folder)
    make_weights(tmp_path / "input" / "hourglass-weights", n_members=20)
    processes: list[subprocess.Popen[str]] = []
    made = Kernel(script, tmp_path)
    start = made.start

    def starting(**options: Any) -> subprocess.Popen[str]:
        processes.append(start(**options))
        return processes[-1]

    made.start = starting  # type: ignore[method-assign]
    yield made
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def fill_with_clips(test: Path, recordings: Path | None) -> None:
    """Real recordings where there are some, else copies of the tones that are there."""
    tones = sorted(test.iterdir())
    if recordings is not None:
        for tone in tones:
            tone.unlink()
    real = sorted((recordings / "test").iterdir())[:N_CLIPS] if recordings is not None else []
    for index in range(N_CLIPS - len(list(test.iterdir()))):
        source = real[index] if real else tones[index % 5]
        shutil.copyfile(source, test / f"copy{index:02d}{source.suffix}")


def list_clips(folder: Path) -> None:
    clips = sorted(path.name for path in (folder / "test").iterdir())
    write_table(folder / "sample_submission.csv", ["fname," + ",".join(LABELS), *(f"{clip},0,0,0" for clip in clips)])


@pytest.fixture
def busy_kernel(kernel: Kernel) -> Kernel:
    """The same with passes for longer than any test takes to end it."""
    make_weights(kernel.root / "input" / "hourglass-weights", n_members=60)
    return kernel


def kill_at_random_moments(kernel: Kernel, times: int) -> None:
    """In turn while passes are made, before the network is there, and around the first pass."""
    rng = random.Random(times)
    for turn in range(times):
        shutil.rmtree(kernel.working, ignore_errors=True)
        process = kernel.start(stop_early=False)
        wait_for(process, ("pass done", "prior written", "weights loaded")[turn % 3])
        time.sleep(rng.uniform(0.0, 1.5))
        process.kill()
        assert process.wait() == -signal.SIGKILL, "it had ended before"
        assert len(kernel.rows()) == N_CLIPS


def test_a_kill_at_a_random_moment_leaves_a_complete_submission(busy_kernel: Kernel) -> None:
    kill_at_random_moments(busy_kernel, 5)


@pytest.mark.slow
def test_a_hundred_kills_at_random_moments_leave_complete_submissions(busy_kernel: Kernel) -> None:
    kill_at_random_moments(busy_kernel, 100)


def tell_to_go(kernel: Kernel, times: int) -> None:
    rng = random.Random(times)
    for _ in range(times):
        shutil.rmtree(kernel.working, ignore_errors=True)
        process = kernel.start(stop_early=False)
        wait_for(process, "pass done")
        time.sleep(rng.uniform(0.0, 2.0))
        began_s = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - began_s < 2
        assert kernel.events("run_ended")[0]["reason"] == "SIGTERM"
        assert kernel.tagged() == N_CLIPS


def test_sigterm_at_a_random_moment_writes_the_newest_blend_and_leaves(busy_kernel: Kernel) -> None:
    tell_to_go(busy_kernel, 2)


@pytest.mark.slow
def test_sigterm_at_many_random_moments_writes_the_newest_blend_and_leaves(busy_kernel: Kernel) -> None:
    tell_to_go(busy_kernel, 20)


def finish(process: subprocess.Popen[str], limit_s: float) -> str:
    """Lets a run come to its end, which must be in time; returns what it printed."""
    began_s = time.monotonic()
    printed, _ = process.communicate(timeout=limit_s + 20)
    assert time.monotonic() - began_s < limit_s + 1
    return printed


def test_a_process_that_is_suspended_for_a_while_goes_on(kernel: Kernel) -> None:
    process = kernel.start(passes=12)
    wait_for(process, "pass done")
    process.send_signal(signal.SIGSTOP)
    time.sleep(1.0)
    process.send_signal(signal.SIGCONT)
    finish(process, 100)
    assert process.returncode == 0
    assert kernel.events("run_ended")[0]["reason"] == "12 passes were asked for"


def test_decoders_that_hang_cost_their_own_clips(kernel: Kernel) -> None:
    test = kernel.root / "input" / "competition" / "test"
    for name in ("000hangs.wav", min(path.name for path in test.iterdir()), "zzz.wav"):
        (test / name).unlink(missing_ok=True)
        os.mkfifo(test / name)  # to open it waits for a writer that never comes
    list_clips(test.parent)
    process = kernel.start(time_s=60, passes=6)
    finish(process, 60)
    assert process.returncode == 0
    assert kernel.tagged() == N_CLIPS + 2 - 3


def extracting(kernel: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes that work for the hidden run's own: each has one above it that forks it anew."""
    workers = []
    (run,) = psutil.Process(kernel.pid).children()
    for keeper in run.children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a compiler that has just ended
            workers += keeper.children()
    return workers


def has_open(process: psutil.Process, path: Path) -> bool:
    return any(entry.resolve() == path for entry in Path(f"/proc/{process.pid}/fd").iterdir())


def test_a_decoder_that_crashes_costs_its_own_clip(kernel: Kernel) -> None:
    clip = kernel.root / "input" / "competition" / "test" / "000crashes.wav"
    os.mkfifo(clip)
    list_clips(clip.parents[1])
    process = kernel.start(time_s=60, passes=6)
    wait_for(process, "weights loaded")
    writer = None
    while writer is None:  # no reader has come yet
        assert process.poll() is None
        with contextlib.suppress(OSError):
            writer = os.open(clip, os.O_WRONLY | os.O_NONBLOCK)
    (decoder,) = (worker for worker in extracting(process) if has_open(worker, clip.resolve()))
    decoder.send_signal(signal.SIGSEGV)
    decoder.wait(10)
    os.close(writer)
    finish(process, 60)
    assert process.returncode == 0
    assert [entry["fname"] for entry in kernel.events("clip_failed")] == [clip.name]
    assert "SIGSEGV" in kernel.events("clip_failed")[0]["reason"]
    assert kernel.events("extraction_in_threads") == []
    assert kernel.tagged() == N_CLIPS


def test_a_crash_in_the_hidden_run_leaves_the_submission_so_far_and_exit_code_0(kernel: Kernel) -> None:
    process = kernel.start(stop_early=False)
    wait_for(process, "submission written")
    (run,) = psutil.Process(process.pid).children()
    run.send_signal(signal.SIGSEGV)
    printed, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "ended with SIGSEGV" in printed
    assert kernel.tagged() == N_CLIPS


def test_no_process_outlives_a_kernel_that_is_killed(kernel: Kernel) -> None:
    process = kernel.start(stop_early=False)
    wait_for(process, "pass done")
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) == 1 + 2 * usable_cpus()  # the hidden run has a process of its own
    process.kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []


def test_a_write_that_hangs_ends_in_time_with_the_submission_that_was_there(kernel: Kernel) -> None:
    process = kernel.start(time_s=18, stop_early=False)
    wait_for(process, "prior written")
    (kernel.working / ".submission.csv.spare").unlink()
    os.mkfifo(kernel.working / ".submission.csv.part")  # where the next version would be written
    finish(process, 18)
    assert process.returncode == 0
    assert len(kernel.rows()) == N_CLIPS
    assert kernel.events("pass_done"), "a disk that stalls must not hold up the passes"


def break_a_member(kernel: Kernel) -> None:
    """Gives one member a frontend that does not fit its network: it loads, and raises when it looks."""
    folder = kernel.root / "input" / "hourglass-weights"
    manifest = read_manifest(folder)
    members = list(manifest.members)
    members[-1] = replace(members[-1], frontend={**members[-1].frontend, "n_mels": 8})
    write_manifest(folder, replace(manifest, members=tuple(members)))


def test_a_fold_that_raises_is_left_out_of_the_hidden_run_and_loud_on_commit(kernel: Kernel) -> None:
    break_a_member(kernel)
    process = kernel.start(passes=4)
    printed = finish(process, 100)
    assert process.returncode == 0, printed
    assert [entry["member"] for entry in kernel.events("member_failed")] == ["fold19-curated"]
    assert kernel.tagged() == N_CLIPS

    process = kernel.start(rerun=False, passes=4)
    printed = finish(process, 100)
    assert process.returncode == 1
    assert "Traceback" in printed
    assert "kernel_src/views.py" in printed


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs root and leave to mount a small file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "others").open("wb", buffering=0) as others:
        while True:
            others.write(bytes(4096))


@pytest.mark.root
@pytest.mark.parametrize("moment", ["prior written", "pass done"])
def test_a_disk_that_somebody_else_fills_keeps_no_clip_from_its_tags(kernel: Kernel, moment: str) -> None:
    with small_disk(kernel.working):
        process = kernel.start(passes=8)
        wait_for(process, moment)
        fill(kernel.working)
        finish(process, 100)
        assert process.returncode == 0
        assert kernel.tagged() == N_CLIPS
