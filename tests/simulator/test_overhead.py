"""Being watched must not change what is seen."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated import PROLOGUE, REPOSITORY, Simulate

# A fixed amount of work in memory, with threads and files as a kernel has them; it says how long it took.
WORK = """
import threading
begin = time.monotonic()
held = [bytes(1_000_000) for _ in range(300)]
def work():
    total = 0
    for number in range(14_000_000):
        total += number * number
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"took_s": time.monotonic() - begin}))
"""
TURNS = 3

# Holds what a watchdog has to count: memory in many mappings, children, files.
HOLDS = """
held = [bytearray(1_000_000) for _ in range(300)]
children = [subprocess.Popen(["sleep", str(SECONDS)]) for _ in range(4)]
for number in range(200):
    pathlib.Path(str(number)).write_bytes(b"x" * 10_000)
write_valid()
time.sleep(SECONDS)
[child.wait() for child in children]
"""
# The simulator with the CPU time that it has used itself, without the kernel's and other children's.
COUNTED = """
import sys, time
from simulator.command import main
exit_code = main(sys.argv[1:])
print(time.process_time())
sys.exit(exit_code)
"""


def own_cpu_s(seconds_s: float, data: Path, folder: Path, limits: tuple[str, ...]) -> float:
    """The simulator's own CPU time around a kernel that takes so long."""
    script = folder / f"holds-{seconds_s}.py"
    script.write_text(PROLOGUE + HOLDS.replace("SECONDS", str(seconds_s)), encoding="utf-8")
    command = [sys.executable, "-c", COUNTED, "--script", str(script), "--data", str(data), *limits]
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
def test_the_watch_takes_less_than_two_in_a_hundred_of_the_time(
    limits: tuple[str, ...], data: Path, tmp_path: Path
) -> None:
    short_s, long_s = 0.5, 4.5
    took_s = []
    for _ in range(TURNS):  # a neighbour in the same core's caches makes the very same work take half as long again
        took_s.append(own_cpu_s(long_s, data, tmp_path, limits) - own_cpu_s(short_s, data, tmp_path, limits))
        if took_s[-1] < 0.02 * (long_s - short_s):
            break
    print(took_s)
    assert min(took_s) < 0.02 * (long_s - short_s)


@pytest.fixture
def one_cpu() -> Iterator[None]:
    """Kernel and simulator share one CPU, so that whatever the simulator takes is taken from the kernel."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.slow
@pytest.mark.usefixtures("one_cpu")
@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
def test_watching_costs_less_than_two_in_a_hundred_and_half_a_second(
    limits: tuple[str, ...], simulate: Simulate, tmp_path: Path
) -> None:
    script = tmp_path / "work.py"
    script.write_text(PROLOGUE.replace('os.environ["HOURGLASS_OVERRIDES"]', '"{}"') + WORK, encoding="utf-8")
    bare_s, watched_s, around_s = [], [], []
    for _ in range(TURNS):
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
        bare_s.append(json.loads(done.stdout)["took_s"])
        begin_s = time.monotonic()
        run = simulate(WORK, *limits)
        around_s.append(time.monotonic() - begin_s - run.summary["time_s"])
        watched_s.append(json.loads(run.stdout.splitlines()[0])["took_s"])
    print(f"bare {min(bare_s):.2f} s, watched {min(watched_s):.2f} s, before and after {min(around_s):.2f} s")
    assert min(watched_s) < 1.02 * min(bare_s) + 0.1
    assert min(around_s) < 0.5
