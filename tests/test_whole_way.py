"""The main job, as a user does it: recordings in, one script, a scored submission out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sample_data import write_table

ROOT = Path(__file__).parents[1]


def python(*arguments: object) -> str:
    """Runs a command of the project, which must succeed; returns what it printed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_bundled_script_tags_real_files_under_its_limits_and_is_scored(
    competition: Path, weights: Path, tmp_path: Path
) -> None:
    names = sorted(path.name for path in (competition / "test").iterdir())
    write_table(competition / "test.csv", ["fname,labels", *(f"{name},Bark" for name in names)])
    python("bundle.py", "--out", tmp_path / "build")
    printed = python(
        *("simulate.py", "--data", competition, "--weights", weights, "--script", tmp_path / "build" / "kernel.py"),
        *("--time", "60s", "--out", tmp_path / "run"),
    )
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["passes"] >= 4
    assert 0 < summary["lwlrap"] <= 1
    for word in ("lwlrap", "60 s", "14 GB", "5 GB", "passes", "submission.csv"):
        assert word in printed
    assert "cannot" not in (tmp_path / "run" / "kernel.log").read_text()


@pytest.mark.slow
def test_the_demo_learns_well_above_chance_and_is_not_trivial(tmp_path: Path) -> None:
    data, weights = tmp_path / "data", tmp_path / "weights"
    python("-m", "train_offline", "demo-data", data)
    python("-m", "train_offline", "train", "--data", data, "--size", "demo", "--folds", "0,1", "--out", weights)
    python("bundle.py", "--out", tmp_path / "build")
    python(
        *("simulate.py", "--data", data, "--weights", weights, "--script", tmp_path / "build" / "kernel.py"),
        *("--time", "60s", "--out", tmp_path / "run"),
    )
    assert 0.6 < json.loads((tmp_path / "run" / "summary.json").read_text())["lwlrap"] < 0.98
