"""Two kernels through the same bad days, summed up."""

import json
from pathlib import Path

import pytest

from benchmarks.bad_days import main

OURS = [("survived", 0.7, 0), ("survived", 0.6, 0)]
SILVER = [("late", 0.7, 0), ("survived", 0.65, 0)]


def write_days(folder: Path, days: list[tuple[str, float, int]]) -> None:
    folder.mkdir(parents=True)
    rows = [
        {"kinds": ["slow", "stall"][: index + 1], "fate": fate, "lwlrap": lwlrap, "lost_clips": lost, "time_s": 50.0}
        for index, (fate, lwlrap, lost) in enumerate(days)
    ]
    (folder / "days.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "good-day").mkdir()
    good = {"verdict": "kept", "lwlrap": 0.7, "time_s": 31.2}
    (folder / "good-day" / "summary.json").write_text(json.dumps(good), encoding="utf-8")


@pytest.mark.parametrize(("lost", "exit_code"), [(0, 0), (2, 1)])
def test_days_are_summed_up_side_by_side(
    lost: int, exit_code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_days(tmp_path / "ours", [OURS[0], (*OURS[1][:2], lost)])
    write_days(tmp_path / "silver", SILVER)
    assert main(["--data", "data", "--sum-up", "--out", str(tmp_path)]) == exit_code
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["nothing", *["kept", "0.700", "in", "31", "s"] * 2]
    assert lines[2].split() == ["1", "slow", "survived", "0.700", "late", "0.000"]
    assert "slow                                   2       1     2" in lines
    figures = json.loads(lines[-1])["results"]
    assert figures["ours_survived_days"] == {"value": 2, "target": 2, "better": "higher", "met": True}
    assert figures["ours_lost_clips"]["met"] == (not lost)
    assert figures["silver_mean_lwlrap"]["value"] == pytest.approx(0.325)
