"""A test set with durations of its own."""

import os
import random
import subprocess
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from simulated import Simulate

from kernel_src.errors import KernelError
from simulator.durations import LONGEST_S, SHORTEST_S, draw_durations_s
from simulator.recut import recut


@given(mean_s=st.floats(0.5, 15.0), count=st.integers(1, 200), seed=st.integers(0, 3))
def test_durations_lie_between_the_ends(mean_s: float, count: int, seed: int) -> None:
    durations_s = draw_durations_s(count, mean_s, random.Random(seed))
    assert len(durations_s) == count
    assert SHORTEST_S <= min(durations_s) <= max(durations_s) <= LONGEST_S


@given(mean_s=st.floats(0.5, 15.0), seed=st.integers(0, 3))
def test_a_whole_test_set_takes_the_same_hours_whatever_the_seed(mean_s: float, seed: int) -> None:
    durations_s = draw_durations_s(3361, mean_s, random.Random(seed))
    assert mean(durations_s) == pytest.approx(mean_s, rel=1e-3)
    assert sorted(durations_s) == sorted(draw_durations_s(3361, mean_s, random.Random(seed + 1)))


@pytest.fixture
def files(competition: Path) -> dict[str, Path]:
    return {path.name: path for path in (competition / "test").iterdir()}


def test_clips_are_pieces_or_repetitions_of_their_originals(files: dict[str, Path], tmp_path: Path) -> None:
    made = recut(files, 2.0, 0, tmp_path / "clips")
    assert made.keys() == files.keys()
    lengths_s = [soundfile.info(path).duration for path in made.values()]
    assert len(set(lengths_s)) == len(lengths_s)
    for name, path in made.items():
        original, clip = soundfile.read(files[name], dtype="int16")[0], soundfile.read(path, dtype="int16")[0]
        if len(clip) > len(original):
            assert np.array_equal(clip, np.resize(original, len(clip)))
        else:
            assert clip.tobytes() in original.tobytes()


def test_clips_are_made_once_and_anew_when_an_original_changes(files: dict[str, Path], tmp_path: Path) -> None:
    first = recut(files, 2.0, 0, tmp_path / "clips")
    written_ns = {name: path.stat().st_mtime_ns for name, path in first.items()}
    assert recut(files, 2.0, 0, tmp_path / "clips") == first
    assert {name: path.stat().st_mtime_ns for name, path in first.items()} == written_ns
    name, path = next(iter(files.items()))
    soundfile.write(path, np.zeros(1000, np.float32), 44_100)
    assert recut(files, 2.0, 0, tmp_path / "clips")[name] != first[name]
    assert recut(files, 2.0, 1, tmp_path / "clips")[name] != first[name]


def test_what_cannot_be_decoded_is_named_and_nothing_half_made_stays(files: dict[str, Path], tmp_path: Path) -> None:
    name = sorted(files)[2]
    files[name].write_bytes(b"no sound")
    with pytest.raises(KernelError, match=rf"of .*{name}: "):
        recut(files, 2.0, 0, tmp_path / "clips")
    assert list((tmp_path / "clips").iterdir()) == []


def test_what_a_killed_run_has_half_made_goes_with_the_next(files: dict[str, Path], tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as killed:
        killed.wait()
    of_the_dead, of_the_living = (tmp_path / "clips" / f"0123.{pid}.part" for pid in (killed.pid, os.getpid()))
    for part in (of_the_dead, of_the_living):
        part.mkdir(parents=True)
        (part / "clip.wav").touch()
    recut(files, 2.0, 0, tmp_path / "clips")
    assert not of_the_dead.exists()
    assert (of_the_living / "clip.wav").exists()


@pytest.mark.parametrize("text", ["0.1s", "20s", "long"])
def test_a_mean_that_cannot_be_had_is_refused(text: str, simulate: Simulate, data: Path) -> None:
    run = simulate("write_valid()", "--data", str(data), "--mean-duration", text)
    assert run.exit_code == 2
    assert run.stderr.count("\n") == 1


def test_the_kernel_finds_clips_of_the_wanted_length(simulate: Simulate, competition: Path) -> None:
    body = "write_valid()\nprint(sum(path.stat().st_size for path in next(inputs.rglob('test')).iterdir()))"
    run = simulate(body, "--data", str(competition), "--clips", "9", "--mean-duration", "1.5s")
    assert run.exit_code == 0, run.stdout + run.stderr
    told, size_text = run.stdout.splitlines()[:2]
    assert told.startswith("made 9 clips of 1.5 s on average")
    assert int(size_text) == pytest.approx(9 * 1.5 * 44_100 * 2, rel=0.05)
