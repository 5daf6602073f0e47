"""Each fault reaches the kernel that it is meant for."""

import json
from pathlib import Path
from typing import Any

import pytest
from simulated import Simulate

# Works for a second, and notes which share of it the CPU was its own.
WORKS = """
begin, before = time.monotonic(), time.process_time()
while time.monotonic() < begin + 1:
    pass
share = (time.process_time() - before) / (time.monotonic() - begin)
write_valid()
pathlib.Path("seen.json").write_text(json.dumps({"share": share}))
"""
# Works until it sees a long pause, or has got little of the CPU for a while.
WORKS_UNTIL_IT_IS_HINDERED = """
pause, share = 0.0, 1.0
begin = last = time.monotonic()
while pause < LONG_PAUSE and share > SMALL_SHARE and last < begin + 9:
    window, before = last, time.process_time()
    while last < window + 0.4:
        now = time.monotonic()
        pause, last = max(pause, now - last), now
    share = (time.process_time() - before) / (last - window)
write_valid()
pathlib.Path("seen.json").write_text(json.dumps({"pause": pause, "share": share}))
"""
READS_CLIPS = """
import threading
hung, sizes = [], {}
def read(path):
    sizes[path.name] = len(path.read_bytes())
time.sleep(0.3)
begin = time.monotonic()
for path in sorted(next(inputs.rglob("test")).iterdir()):
    reader = threading.Thread(target=read, args=(path,), daemon=True)
    reader.start()
    reader.join(1)
    hung += [path.name] if reader.is_alive() else []
write_valid()
seen = {"hung": hung, "sizes": sizes, "took_s": time.monotonic() - begin}
pathlib.Path("seen.json").write_text(json.dumps(seen))
sys.stdout.flush()
os._exit(0)
"""
FILLS_UNTIL_IT_CANNOT = """
write_valid()
try:
    while True:
        with open("more", "ab") as file:
            file.write(b"x" * 4096)
        time.sleep(0.02)
except OSError as error:
    print(error.errno)
"""
WAITS = "write_valid()\ntime.sleep(1)"
LEAVES_AT_ONCE = "write_valid()\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\ntime.sleep(10)"


def seen(out: Path) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((out / "working" / "seen.json").read_text(encoding="utf-8"))
    return fields


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
def test_a_slower_machine_gives_less_of_the_cpu(limits: tuple[str, ...], simulate: Simulate, data: Path) -> None:
    run = simulate(WORKS, "--data", str(data), "--cpus", "1", "--speed", "0.3", *limits)
    assert run.exit_code == 0
    assert seen(run.out)["share"] < 0.6


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_a_machine_may_be_fifty_times_as_slow(simulate: Simulate, data: Path) -> None:
    run = simulate(WORKS, "--data", str(data), "--cpus", "1", "--fault", "slow=0.02@0%", "--time", "30s")
    assert run.exit_code == 0
    assert seen(run.out)["share"] < 0.04


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
def test_a_stall_stops_everything_for_its_time(limits: tuple[str, ...], simulate: Simulate, data: Path) -> None:
    body = WORKS_UNTIL_IT_IS_HINDERED.replace("LONG_PAUSE", "0.7").replace("SMALL_SHARE", "0")
    run = simulate(body, "--data", str(data), "--time", "20s", "--fault", "stall=0.8s@1s", *limits)
    assert run.exit_code == 0
    assert seen(run.out)["pause"] > 0.7
    assert run.summary["faults"][0]["fault"] == "everything stands still for 0.8 s"


def test_a_stall_on_a_slower_machine_stops_everything_too(simulate: Simulate, data: Path) -> None:
    body = WORKS_UNTIL_IT_IS_HINDERED.replace("LONG_PAUSE", "0.7").replace("SMALL_SHARE", "0")
    faults = ("--fault", "stall=1s@1s", "--fault", "stall=0.1s@1.2s")
    run = simulate(body, "--data", str(data), "--time", "20s", "--soft", "--speed", "0.5", *faults)
    assert run.exit_code == 0
    assert seen(run.out)["pause"] > 0.7


@pytest.mark.parametrize("moments", [("1s", "1.3s"), ("1.3s", "1s")], ids=["stall first", "SIGTERM first"])
def test_the_time_to_leave_does_not_pass_while_everything_stands_still(
    moments: tuple[str, str], simulate: Simulate, data: Path
) -> None:
    body = "write_valid()\nsignal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.8), sys.exit(0)))\ntime.sleep(10)"
    faults = ("--fault", f"stall=1.5s@{moments[0]}", "--fault", f"sigterm=1.3s@{moments[1]}")
    run = simulate(body, "--data", str(data), "--time", "20s", *faults)
    assert (run.exit_code, run.summary["verdict"]) == (0, "kept")


def test_a_machine_slows_down_in_mid_run(simulate: Simulate, data: Path) -> None:
    body = WORKS_UNTIL_IT_IS_HINDERED.replace("LONG_PAUSE", "9").replace("SMALL_SHARE", "0.3")
    run = simulate(body, "--data", str(data), "--time", "20s", "--cpus", "1", "--fault", "slow=0.1@1s")
    assert run.exit_code == 0
    assert seen(run.out)["share"] < 0.3


def test_a_kernel_that_leaves_at_sigterm_is_a_good_one(simulate: Simulate, data: Path) -> None:
    run = simulate(LEAVES_AT_ONCE, "--data", str(data), "--time", "20s", "--fault", "sigterm=9s@2s")
    assert (run.exit_code, run.summary["verdict"]) == (0, "kept")
    assert run.summary["time_s"] < 8


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
def test_damaged_and_hanging_clips_reach_the_kernel(limits: tuple[str, ...], simulate: Simulate, data: Path) -> None:
    faults = ("--fault", "damaged-clip=2", "--fault", "hanging-clip", "--seed", "3")
    run = simulate(READS_CLIPS, "--data", str(data), *faults, *limits)
    assert run.exit_code == 0, run.stdout + run.stderr
    wrong = {name for name, size in seen(run.out)["sizes"].items() if size != 1200}
    assert len(seen(run.out)["hung"]) == 1
    assert sorted(wrong | set(seen(run.out)["hung"])) == run.summary["unusable_clips"]


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_a_full_disk_refuses_the_next_byte(simulate: Simulate, data: Path) -> None:
    run = simulate(FILLS_UNTIL_IT_CANNOT, "--data", str(data), "--time", "20s", "--fault", "disk-full@1.5s")
    assert (run.exit_code, run.stdout.splitlines()[0]) == (0, "28")  # ENOSPC
    assert run.summary["disk_bytes"] < 1e6


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_a_disk_may_be_full_from_the_very_start(simulate: Simulate, data: Path) -> None:
    body = "try:\n    write_valid()\nexcept OSError as error:\n    print(error.errno)\n    raise"
    run = simulate(f"time.sleep(0.3)\n{body}", "--data", str(data), "--clips", "3", "--fault", "disk-full@0%")
    assert (run.exit_code, run.summary["verdict"], run.stdout.splitlines()[0]) == (1, "out of disk", "28")


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize(("neighbour", "verdict"), [("80MB", "kept"), ("300MB", "out of memory")])
def test_a_neighbour_takes_memory_of_the_same_limit(
    neighbour: str, verdict: str, simulate: Simulate, data: Path
) -> None:
    faults = ("--time", "20s", "--fault", f"neighbour={neighbour}@0.1s")
    run = simulate(WAITS, "--data", str(data), "--memory", "150MB", *faults)
    assert run.summary["verdict"] == verdict
    assert run.summary["memory_bytes"] > 80e6


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_inputs_can_be_slow_to_read(simulate: Simulate, data: Path) -> None:
    from simulator.means import group_abilities

    if not group_abilities().reads:
        pytest.skip("needs a control group that limits reads (blkio, or io)")
    for path in (data / "test").iterdir():
        path.write_bytes(b"x" * 400_000)
    quick_s = seen(simulate(READS_CLIPS, "--data", str(data)).out)["took_s"]
    slow = simulate(READS_CLIPS, "--data", str(data), "--time", "100s", "--fault", "slow-inputs=1MB@0%")
    assert slow.exit_code == 0, slow.stdout + slow.stderr
    assert quick_s < 1 < seen(slow.out)["took_s"]
    assert set(seen(slow.out)["sizes"].values()) == {400_000}


def test_a_gpu_can_vanish(simulate: Simulate, data: Path) -> None:
    run = simulate(
        "write_valid()\nprint(repr(os.environ['CUDA_VISIBLE_DEVICES']))", "--data", str(data), "--fault", "no-gpu"
    )
    assert run.stdout.splitlines()[0] == "''"


def test_what_went_wrong_is_told_and_what_the_kernel_did_not_live_to_see(simulate: Simulate, data: Path) -> None:
    faults = ("--fault", "damaged-clip=2", "--fault", "stall=0.1s@0.2s", "--fault", "slow=0.5@50%")
    run = simulate(WAITS, "--data", str(data), "--time", "100s", *faults)
    told = [line.split(maxsplit=1)[1] for line in run.stdout.splitlines() if line.startswith("fault ")]
    assert told[0] == "clips damaged: 2, from the start"
    assert told[1].startswith("everything stands still for 0.1 s, at ")
    assert told[2:] == ["the machine goes on at 0.50 of its speed, never: the kernel ended before"]
    assert run.summary["faults_missed"] == ["the machine goes on at 0.50 of its speed"]
    page = (run.out.parent / "report.html").read_text(encoding="utf-8")
    assert "<td>never: the kernel ended before</td><td>the machine goes on at 0.50 of its speed</td>" in page


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_inputs_can_be_slow_to_read_though_a_file_is_missing(simulate: Simulate, data: Path) -> None:
    (data / "test" / "00000002.wav").unlink()
    (data / "test" / "00000003.wav").unlink()
    (data / "test" / "00000003.wav").symlink_to("nowhere")
    (data / "test" / "notes").mkdir()
    body = "print(sorted(path.name for path in next(inputs.rglob('test')).glob('0*')))\nwrite_valid()"
    run = simulate(body, "--data", str(data), "--time", "100s", "--fault", "slow-inputs=1MB@0%")
    assert run.exit_code == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[0] == "['00000000.wav', '00000001.wav', '00000004.wav', '00000005.wav']"


def test_a_fault_that_cannot_be_brought_about_is_refused(simulate: Simulate, data: Path) -> None:
    run = simulate(WAITS, "--data", str(data), "--soft", "--fault", "disk-full")
    assert run.exit_code == 2
    assert run.stderr.startswith("simulate: --fault disk-full needs")
    assert "disk: soft (a watchdog counts the blocks of its files)" in run.stderr
    assert run.stderr.count("\n") == 1
