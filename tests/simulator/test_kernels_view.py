"""A kernel sees what it would see at Kaggle, and nothing else."""

import json
import os
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from simulated import REPOSITORY, Simulate

LOOK = """
def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob("*"))


def refused(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return None


loopback = socket.socket()
loopback.bind(("127.0.0.1", 0))
loopback.listen()
socket.create_connection(loopback.getsockname()).close()
loopback.close()
seen = {
    "script": __file__,
    "folder": os.getcwd(),
    "inputs": tree(inputs),
    "beside the script": os.listdir(pathlib.Path(__file__).parent),
    "environment": dict(os.environ),
    "cpus": len(os.sched_getaffinity(0)),
    "shared memory": os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize,
    "processes": [path.name for path in pathlib.Path("/proc").glob("[0-9]*")],
    "free disk": os.statvfs(".").f_bavail * os.statvfs(".").f_frsize,
    "writing to the input": refused(lambda: (inputs / "x").touch()),
    "writing beside the script": refused(lambda: pathlib.Path(__file__).with_name("x").touch()),
    "repository": os.path.exists(REPOSITORY),
    "descriptors": [number for number in range(3, 64) if not refused(lambda: os.fstat(number))],
}
pathlib.Path("seen.json").write_text(json.dumps(seen))
write_valid()
""".replace("REPOSITORY", repr(str(REPOSITORY / "simulator")))


def look(simulate: Simulate, *arguments: str, **environment: str) -> dict[str, Any]:
    run = simulate(LOOK, *arguments, **environment)
    assert run.exit_code == 0, run.stdout + run.stderr
    seen: dict[str, Any] = json.loads((run.out / "working" / "seen.json").read_text(encoding="utf-8"))
    return seen


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_a_sandboxed_kernel_finds_kaggles_folders_and_can_write_to_its_own_only(simulate: Simulate, data: Path) -> None:
    seen = look(simulate, "--data", str(data), "--require", "hard", "--disk", "50MB")
    names = [f"data/{name}" for name in ("sample_submission.csv", "test")]
    assert (seen["script"], seen["folder"]) == ("/kaggle/src/script.py", "/kaggle/working")
    assert [name for name in seen["inputs"] if name.count("/") == 1] == names
    assert seen["beside the script"] == ["script.py"]
    assert not seen["repository"]

    assert seen["writing to the input"] == seen["writing beside the script"] == 30  # EROFS
    assert seen["shared memory"] == 64 * 2**20
    assert 49e6 < seen["free disk"] <= 50e6
    assert len(seen["processes"]) < 5


def test_the_truth_and_the_training_tables_are_not_among_the_inputs(simulate: Simulate, scored_data: Path) -> None:
    (scored_data / "train_curated.csv").write_text("fname,labels\n", encoding="utf-8")
    seen = look(simulate, "--data", str(scored_data), "--soft")
    assert not [name for name in seen["inputs"] if "train" in name or name.endswith("test.csv")]


def test_the_environment_is_clean_and_names_the_limits(simulate: Simulate, data: Path) -> None:
    wanted = {"passes": 2, "time_s": 99999, "working_dir": "/nowhere"}
    limits = ("--time", "30s", "--memory", "2GB", "--disk", "1GB", "--cpus", "1", "--soft")
    environment = {"SECRET": "password", "HOURGLASS_OVERRIDES": json.dumps(wanted)}
    seen = look(simulate, "--data", str(data), *limits, **environment)
    overrides = json.loads(seen["environment"]["HOURGLASS_OVERRIDES"])
    assert "SECRET" not in seen["environment"]
    assert seen["environment"]["KAGGLE_IS_COMPETITION_RERUN"] == "1"
    assert seen["environment"]["OMP_NUM_THREADS"] == "1"
    assert seen["cpus"] == 1
    assert seen["descriptors"] == []
    assert [overrides[name] for name in ("passes", "time_s", "memory_bytes", "disk_bytes")] == [2, 30, 2e9, 1e9]
    assert overrides["working_dir"] == seen["folder"]


def test_inputs_lie_in_the_newer_folders_when_asked(simulate: Simulate, data: Path, tmp_path: Path) -> None:
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra" / "file.txt").touch()
    seen = look(simulate, "--data", str(data), "--input", f"someone/extra={tmp_path / 'extra'}", "--newer-mounts")
    assert "competitions/data/sample_submission.csv" in seen["inputs"]
    assert "datasets/someone/extra/file.txt" in seen["inputs"] or "datasets/someone/extra" in seen["inputs"]


@pytest.mark.parametrize("limits", [(), ("--soft",)], ids=["strongest", "soft"])
def test_a_link_among_the_inputs_leads_to_its_file(
    limits: tuple[str, ...], simulate: Simulate, data: Path, tmp_path: Path
) -> None:
    (data / "test").rename(tmp_path / "large-disk")
    (data / "test").mkdir()
    for path in (tmp_path / "large-disk").iterdir():
        (data / "test" / path.name).symlink_to(path)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "fold").symlink_to("../large-disk/00000000.wav")
    body = """
print(sum(len(path.read_bytes()) for path in next(inputs.rglob("test")).iterdir()))
print(len((inputs / "weights" / "fold").read_bytes()))
write_valid()
"""
    run = simulate(body, "--data", str(data), "--weights", "weights", *limits)
    assert run.exit_code == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[:2] == ["7200", "1200"]


def test_both_the_run_on_commit_and_the_hidden_one_are_played(simulate: Simulate, data: Path) -> None:
    body = "write_valid()\nprint(len(sample()) - 1, os.environ.get('KAGGLE_IS_COMPETITION_RERUN'))"
    run = simulate(body, "--data", str(data), "--both", "--placeholder", "2", "--soft")
    assert run.exit_code == 0
    assert run.stdout.splitlines()[0] == "2 None"
    assert "6 1" in run.stdout.splitlines()
    assert json.loads((run.out.with_name("run-commit") / "summary.json").read_text(encoding="utf-8"))["good"]


def test_a_kernel_that_needs_nothing_runs_too(simulate: Simulate) -> None:
    run = simulate("print('done')")
    assert run.exit_code == 0
    assert "no sample_submission.csv" in run.summary["text"]


def test_a_limit_above_what_the_machine_has_says_so(simulate: Simulate, data: Path) -> None:
    run = simulate("write_valid()", "--data", str(data), "--memory", "900TB")
    assert run.exit_code == 0, run.stdout + run.stderr
    assert "are free here, so it would be killed sooner" in run.summary["limits"]["memory"]["means"]


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_a_disk_without_room_for_anything_is_bad_use(simulate: Simulate, data: Path) -> None:
    run = simulate("write_valid()", "--data", str(data), "--disk", "1KB")
    assert run.exit_code == 2
    assert run.stderr == ("simulate: a disk of 1,000 bytes has no room for empty folders even; give a larger --disk\n")


@pytest.mark.root
@pytest.mark.usefixtures("as_root")
def test_where_no_image_can_be_mounted_the_disk_is_watched(
    simulate: Simulate, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mount = tmp_path / "bin" / "mount"
    mount.parent.mkdir()
    mount.write_text(
        f'#!/bin/sh\ncase "$*" in *loop*) echo "no loop device" >&2; exit 32;; esac\nexec {which("mount")} "$@"\n'
    )
    mount.chmod(0o755)
    monkeypatch.setenv("PATH", f"{mount.parent}:{os.environ['PATH']}")
    run = simulate("write_valid()", "--data", str(data))
    assert run.exit_code == 0, run.stdout + run.stderr
    means = "a watchdog counts the blocks of its files; no image could be mounted: mount: no loop device"
    assert run.summary["limits"]["disk"] == {"hard": False, "means": means}
    days = simulate("write_valid()", "--data", str(data), "--bad-days", "6", "--time", "5s")
    assert days.stderr == ""
    assert "6 bad days" in days.stdout


def test_a_kernel_that_cannot_even_begin_is_the_machines_fault(
    simulate: Simulate, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bin" / "bwrap"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\nfor last; do :; done\n[ -z "$last" ] && exit 0\necho "bwrap: no room" >&2; exit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    run = simulate("write_valid()", "--data", str(data))
    assert run.exit_code == 2
    assert run.stderr == "simulate: the kernel could not be started: bwrap: no room\n"
