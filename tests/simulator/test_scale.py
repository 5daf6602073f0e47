"""An hour in a minute."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import Simulate

from kernel_src.errors import KernelError
from kernel_src.limits import KernelLimits
from simulator.scale import Base, parse_scale, scaled, scaled_limits
from simulator.settings import CompetitionData, Rehearsal

LIMITS = KernelLimits(time_s=3600, memory_bytes=14 * 10**9, disk_bytes=5 * 10**9)


@pytest.mark.parametrize(("text", "scale"), [("1/60", 1 / 60), ("0.1", 0.1), ("1", 1.0)])
def test_a_scale_is_a_share(text: str, scale: float) -> None:
    assert parse_scale(text) == pytest.approx(scale)


@pytest.mark.parametrize("text", ["0", "2", "-1/2", "1/0", "small", "1/2/3"])
def test_other_scales_are_refused(text: str) -> None:
    with pytest.raises(KernelError, match="--scale"):
        parse_scale(text)


def test_time_shrinks_by_the_scale_and_memory_to_the_base_and_a_share_of_the_rest() -> None:
    limits = scaled_limits(LIMITS, 1 / 60, Base(memory_bytes=10**9, disk_bytes=0))
    assert limits.time_s == 60
    assert limits.memory_bytes == 2 * 10**9 + 12 * 10**9 // 60
    assert limits.disk_bytes == 50 * 10**6 + (5 * 10**9 - 50 * 10**6) // 60


@given(
    scale=st.floats(0.001, 1.0),
    memory_bytes=st.integers(0, 20 * 10**9),
    disk_bytes=st.integers(0, 6 * 10**9),
)
def test_scaled_limits_never_exceed_the_whole_ones(scale: float, memory_bytes: int, disk_bytes: int) -> None:
    limits = scaled_limits(LIMITS, scale, Base(memory_bytes, disk_bytes))
    assert 0 < limits.time_s <= LIMITS.time_s
    assert min(memory_bytes, LIMITS.memory_bytes) <= limits.memory_bytes <= LIMITS.memory_bytes
    assert 0 < limits.disk_bytes <= LIMITS.disk_bytes


def test_clips_shrink_with_the_time(scored_data: Path) -> None:
    rehearsal = Rehearsal(Path("kernel.py"), Path("run"), LIMITS, data=CompetitionData(scored_data, "contest"))
    base = Base(0, 0)
    assert scaled(replace(rehearsal, clips=3361), 1 / 60, base).clips == 56
    assert scaled(rehearsal, 0.5, base).clips == 3
    assert scaled(rehearsal, 0.001, base).clips == 1


def test_a_scaled_run_measures_the_kernel_first(simulate: Simulate, data: Path) -> None:
    body = "held = bytearray(80_000_000)\nwrite_valid()\nprint(len(sample()) - 1)\ntime.sleep(0.4)"
    run = simulate(body, "--data", str(data), "--clips", "60", "--time", "100s", "--scale", "1/10")
    assert run.exit_code == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[1] == "6"
    assert run.summary["time_limit_s"] == 10
    assert 80e6 < run.summary["memory_limit_bytes"] - 1.0e9 - 0.1 * 13e9 < 200e6


def test_a_folder_left_by_a_killed_measurement_is_used_again(simulate: Simulate, data: Path, tmp_path: Path) -> None:
    left = tmp_path / "build" / "run-base"
    (left / ".kernel" / "staged").mkdir(parents=True)
    (left / "kernel.log").touch()
    run = simulate("write_valid()", "--data", str(data), "--scale", "1/10")
    assert run.exit_code == 0, run.stdout + run.stderr
    assert sorted(path.name for path in (tmp_path / "build").iterdir()) == ["report.html", "run"]


def test_a_kernel_that_fails_on_two_clips_is_not_scaled(simulate: Simulate, data: Path) -> None:
    run = simulate("sys.exit(1)", "--data", str(data), "--scale", "1/10")
    assert run.exit_code == 2
    assert "fails on 2 clips already" in run.stderr
