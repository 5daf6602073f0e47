"""A bad kernel for each limit: each is caught, hard as root and by the watchdog, and leaves nothing behind."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulated import AS_NOBODY, NOBODY, REPOSITORY, Simulate, leftovers, run_simulator

SMALL_LIMITS = ("--time", "20s", "--memory", "150MB", "--disk", "20MB")

EATS_MEMORY = """
held = []
while True:
    held.append(b"x" * 5_000_000)
    time.sleep(0.01)
"""
EATS_MEMORY_IN_A_CHILD = f"""
child = subprocess.run([sys.executable, "-c", '''import time{EATS_MEMORY}'''])
write_valid()
"""
EATS_SHARED_MEMORY = """
held = []
while True:
    held.append(mmap.mmap(-1, 5_000_000))
    held[-1].write(b"x" * 5_000_000)
    time.sleep(0.01)
"""
FILLS_DISK = """
write_valid()
with open("big", "wb", buffering=0) as file:
    for _ in range(100):
        if file.write(b"x" * 1_000_000) < 1_000_000:
            raise OSError("No space left on device")
        time.sleep(0.02)
"""
FILLS_DISK_UNLINKED = FILLS_DISK.replace("    for _", '    os.unlink("big")\n    for _')
RUNS_LATE = """
write_valid()
time.sleep(60)
"""
IGNORES_SIGTERM = """
write_valid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(60)
"""
LEAVES_A_DAEMON = """
write_valid()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
os.wait()
"""
OPENS_A_SOCKET = """
write_valid()
socket.create_connection(("192.0.2.1", 80), timeout=5)
"""
WRITES_TO_THE_INPUT = """
write_valid()
next(inputs.rglob("sample_submission.csv")).write_text("mine now")
"""
CRASHES = "sys.exit(3)"
DIES_BY_A_SIGNAL = "os.kill(os.getpid(), signal.SIGSEGV)"
WRITES_NOTHING = ""
WRITES_A_SHORT_ONE = "write(sample()[:-2])"
WRITES_NAN = """
rows = sample()
rows[2][1] = "nan"
write(rows)
"""
REORDERS_COLUMNS = "write([[row[0], *reversed(row[1:])] for row in sample()])"
WRITES_A_TORN_ONE = """
write_valid()
text = pathlib.Path("submission.csv").read_text()
pathlib.Path("submission.csv").write_text(text[:-9])
"""

LIMITS = {
    "eats memory": (EATS_MEMORY, "out of memory"),
    "eats memory in a child": (EATS_MEMORY_IN_A_CHILD, "out of memory"),
    "eats shared memory": (EATS_SHARED_MEMORY, "out of memory"),
    "fills the disk": (FILLS_DISK, "out of disk"),
    "fills the disk with an unlinked file": (FILLS_DISK_UNLINKED, "out of disk"),
    "leaves a daemon": (LEAVES_A_DAEMON, "left processes behind"),
}
HARD_LIMITS = {
    **LIMITS,
    "opens a socket to the outside": (OPENS_A_SOCKET, "crashed"),
    "writes to the input": (WRITES_TO_THE_INPUT, "crashed"),
}
ENDINGS = {
    "crashes": (CRASHES, "crashed"),
    "dies by a signal": (DIES_BY_A_SIGNAL, "crashed"),
    "writes nothing": (WRITES_NOTHING, "no submission"),
    "writes a short submission": (WRITES_A_SHORT_ONE, "invalid submission"),
    "writes a NaN": (WRITES_NAN, "invalid submission"),
    "reorders the columns": (REORDERS_COLUMNS, "invalid submission"),
    "writes a torn submission": (WRITES_A_TORN_ONE, "invalid submission"),
    "makes a folder of its submission": ("os.mkdir('submission.csv')\ntime.sleep(0.3)", "invalid submission"),
    "makes a pipe of its submission": ("os.mkfifo('submission.csv')\ntime.sleep(0.3)", "no submission"),
}


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("name", HARD_LIMITS)
def test_a_bad_kernel_is_caught_by_hard_limits(name: str, simulate: Simulate, data: Path) -> None:
    body, verdict = HARD_LIMITS[name]
    run = simulate(body, "--data", str(data), *SMALL_LIMITS, "--require", "hard")
    assert (run.exit_code, run.summary["verdict"]) == (1, verdict), run.stderr


@pytest.mark.parametrize("name", LIMITS)
def test_a_bad_kernel_is_caught_by_the_watchdog(name: str, simulate: Simulate, data: Path) -> None:
    body, verdict = LIMITS[name]
    run = simulate(body, "--data", str(data), *SMALL_LIMITS, "--soft")
    assert (run.exit_code, run.summary["verdict"]) == (1, verdict), run.stderr


@pytest.mark.parametrize("name", ENDINGS)
def test_a_bad_ending_is_named(name: str, simulate: Simulate, data: Path) -> None:
    body, verdict = ENDINGS[name]
    run = simulate(body, "--data", str(data))
    assert (run.exit_code, run.summary["verdict"]) == (1, verdict), run.stderr


def test_clips_that_keep_their_first_rows_are_named(simulate: Simulate, data: Path) -> None:
    body = """
write_valid()
time.sleep(0.5)
header, *rows = sample()
write([header, *[[row[0], *["0.9" if index > 1 else str(label / 10) for label in range(1, len(header))]]
                 for index, row in enumerate(rows)]])
time.sleep(0.5)
"""
    done = simulate(body, "--data", str(data), "--soft")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("untagged")]
    assert line == "untagged  2, with their first rows at the end: 00000000.wav, 00000001.wav; see kernel.log"


def test_what_is_not_there_is_not_named_among_the_files(simulate: Simulate, data: Path) -> None:
    done = simulate(WRITES_NOTHING, "--data", str(data), "--soft")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("files")]
    assert line.endswith(": kernel.log, summary.json")


def test_rows_in_another_order_are_as_good(simulate: Simulate, data: Path) -> None:
    run = simulate("header, *rows = sample()\nwrite([header, *reversed(rows)])", "--data", str(data))
    assert (run.exit_code, run.summary["verdict"]) == (0, "kept")


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
@pytest.mark.parametrize("body", [RUNS_LATE, IGNORES_SIGTERM], ids=["sleeps", "ignores SIGTERM"])
def test_a_late_kernel_is_killed_at_the_limit(
    body: str, limits: tuple[str, ...], simulate: Simulate, data: Path
) -> None:
    run = simulate(body, "--data", str(data), "--time", "1s", *limits)
    assert run.summary["verdict"] == "late"
    assert 1 <= run.summary["time_s"] < 1.5


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
def test_a_kernel_that_does_not_leave_after_sigterm_is_killed(
    limits: tuple[str, ...], simulate: Simulate, data: Path
) -> None:
    run = simulate(IGNORES_SIGTERM, "--data", str(data), "--time", "20s", "--fault", "sigterm=0.5s@1.5s", *limits)
    assert run.summary["verdict"] == "ignored SIGTERM"


def test_the_watchdog_sees_a_change_of_the_inputs(simulate: Simulate, data: Path) -> None:
    run = simulate(WRITES_TO_THE_INPUT, "--data", str(data), "--soft")
    assert run.summary["verdict"] == "changed its inputs"


def test_the_watchdog_sees_a_connection_to_the_outside(simulate: Simulate, data: Path) -> None:
    with socket.socket() as server:
        server.bind((own_address(), 0))
        server.listen()
        host, port = server.getsockname()
        body = f"connection = socket.create_connection(({host!r}, {port}))\ntime.sleep(10)"
        run = simulate(body, "--data", str(data), "--soft")
    assert run.summary["verdict"] == "used the network"
    assert host in run.summary["text"]


@pytest.mark.root
@pytest.mark.parametrize("name", ["eats memory in a child", "fills the disk with an unlinked file", "leaves a daemon"])
def test_a_bad_kernel_is_caught_for_another_user_too(name: str, data_of_nobody: Path, nobodys_python: str) -> None:
    """Without root: bubblewrap where user namespaces are allowed, control groups where systemd hands them over."""
    body, verdict = LIMITS[name]
    run = run_simulator(
        body, data_of_nobody.parent, ["--data", str(data_of_nobody), *SMALL_LIMITS], python=nobodys_python
    )
    assert (run.exit_code, run.summary["verdict"]) == (1, verdict), run.stderr
    assert leftovers(data_of_nobody.parent) == []


@pytest.fixture
def nobodys_python() -> str:
    """An interpreter that a user without rights may run, with the few packages that the simulator needs."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    for python in (sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")):
        command = [str(python), str(REPOSITORY / "simulate.py"), "--help"]
        with contextlib.suppress(OSError):
            if subprocess.run(command, **AS_NOBODY, check=False, capture_output=True).returncode == 0:
                return str(python)
    pytest.skip("needs a python with numpy and psutil that another user may run")


@pytest.fixture
def data_of_nobody(data: Path) -> Iterator[Path]:
    """The data in a folder of another user, outside of pytest's own, which is closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(data, Path(folder, "data"))
        for path in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        yield Path(folder, "data")


def own_address() -> str:
    """This machine's address as others see it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing; it only chooses the way out
        except OSError as error:
            pytest.skip(f"this machine has no address but loopback: {error}")
        address: str = probe.getsockname()[0]
    return address
