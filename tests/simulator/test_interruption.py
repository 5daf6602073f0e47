"""Whatever ends the simulator, nothing of it stays."""

import json
import signal
import subprocess
import sys
import time
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
