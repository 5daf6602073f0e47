import os
from pathlib import Path

import pytest

from kernel_src.cpus import usable_cpus


def write_quota(folder: Path, version: int, quota_us: str) -> None:
    (folder / "cpu").mkdir()
    if version == 2:
        (folder / "cpu.max").write_text(f"{'max' if quota_us == '-1' else quota_us} 100000\n")
    else:
        (folder / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota_us}\n")
        (folder / "cpu" / "cpu.cfs_period_us").write_text("100000\n")


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("quota_us", "expected"), [("50000", 1), ("300000", 3), ("250000", 3), ("-1", 8), ("9900000", 8)]
)
def test_a_container_with_a_quota_has_as_many_processors_as_that_is_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, quota_us: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    write_quota(tmp_path, version, quota_us)
    assert usable_cpus(tmp_path) == expected


def test_without_a_quota_it_is_the_processors_that_the_process_may_run_on(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == len(os.sched_getaffinity(0))
