"""Whatever ends the simulator, nothing of it stays."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from simulated import PROLOGUE, REPOSITORY, Simulate, leftovers

WAITS = PROLOGUE + "print('the kernel is up', flush=True)\nos.fork()\ntime.sleep(60)\n"
PATIENCE_S = 15.0


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_simulator_is_interrupted(
    number: signal.Signals, limits: tuple[str, ...], simulate: Simulate, data: Path, tmp_path: Path
) -> None:
    script = tmp_path / "waits.py"
    script.write_text(WAITS, encoding="utf-8")
    command = [sys.executable, str(REPOSITORY / "simulate.py"), "--script", str(script), "--data", str(data), *limits]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "the kernel is up\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in errors
    if number == signal.SIGKILL:
        simulate("")  # what the killed could not remove, its folders and groups, goes with the next run
    wait_until_nothing_is_left(tmp_path)


def wait_until_nothing_is_left(folder: Path) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while left := leftovers(folder):
        assert time.monotonic() < deadline_s, left
        time.sleep(0.05)


def test_a_kernel_that_ran_on_while_the_simulator_stood_still_is_late_all_the_same(data: Path, tmp_path: Path) -> None:
    with started("write_valid()\nprint('the kernel is up')\ntime.sleep(2)", data, tmp_path, "--time", "1s") as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "verdict   late: it ended after 2" in output


def test_a_log_for_which_there_is_no_room_does_not_hold_the_kernel_up(data: Path, tmp_path: Path) -> None:
    limited = f"ulimit -f 40; exec {sys.executable} {REPOSITORY / 'simulate.py'} --soft --time 20s"
    script = tmp_path / "talks.py"
    script.write_text(PROLOGUE + "for _ in range(9000):\n    print('x' * 100)\nwrite_valid()\n", encoding="utf-8")
    command = ["bash", "-c", f"{limited} --script {script} --data {data}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    assert 0 < (tmp_path / "build" / "run" / "kernel.log").stat().st_size < 100_000


def test_a_run_begun_with_nohup_outlives_its_terminal(data: Path, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what nohup does, and a child inherits
    try:
        with started("print('the kernel is up')\ntime.sleep(0.5)\nwrite_valid()", data, tmp_path) as process:
            process.send_signal(signal.SIGHUP)
            process.communicate(timeout=PATIENCE_S)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.returncode == 0


@contextmanager
def started(body: str, data: Path, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run of simulate.py whose kernel has just said that it is up."""
    script = folder / "kernel.py"
    script.write_text(PROLOGUE + body, encoding="utf-8")
    command = [sys.executable, str(REPOSITORY / "simulate.py"), "--script", str(script), "--data", str(data)]
    with subprocess.Popen(
        [*command, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "the kernel is up\n"
        yield process


def test_a_second_run_takes_the_place_of_the_first(simulate: Simulate, data: Path) -> None:
    first = simulate("write_valid()", "--data", str(data), "--soft")
    second = simulate("sys.exit(1)", "--data", str(data), "--soft")
    assert (first.exit_code, second.exit_code) == (0, 1)
    assert not (second.out / "working" / "submission.csv").exists()


def test_a_folder_that_no_run_has_made_is_left_alone(simulate: Simulate, tmp_path: Path) -> None:
    precious = tmp_path / "build" / "run" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("years of work", encoding="utf-8")
    run = simulate("write_valid()", "--soft")
    assert run.exit_code == 2
    assert run.stderr.count("\n") == 1
    assert list(precious.parent.iterdir()) == [precious]


def test_a_reader_that_goes_away_does_not_hold_the_kernel_up(data: Path, tmp_path: Path) -> None:
    script = tmp_path / "talks.py"
    script.write_text(PROLOGUE + "for _ in range(20000):\n    print('x' * 100)\nwrite_valid()\n", encoding="utf-8")
    command = f"{sys.executable} {REPOSITORY / 'simulate.py'} --script {script} --data {data} --time 20s | head -1"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, timeout=PATIENCE_S, check=True)
    assert done.stderr == b""
    run = json.loads((tmp_path / "build" / "run" / "summary.json").read_text(encoding="utf-8"))
    assert run["verdict"] == "kept"
    assert len((tmp_path / "build" / "run" / "kernel.log").read_bytes()) == 20000 * 101
