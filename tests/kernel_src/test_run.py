"""The runtime as Kaggle starts it: a process of its own, with real clips and weights."""

import builtins
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kernel_src import run as run_module
from kernel_src.overrides import OVERRIDES_VARIABLE, RERUN_VARIABLE
from kernel_src.passes import Outcome
from kernel_src.submission import Submission
from kernel_src.tagging import Tagger
from sample_data import LABELS, make_weights, tone, write_table

PRIORS = [0.1, 0.2, 0.3]


@dataclass(frozen=True)
class Finished:
    """A run that has ended."""

    exit_code: int
    stdout: str
    stderr: str
    working: Path

    @property
    def rows(self) -> dict[str, list[float]]:
        """The submission, by clip."""
        with (self.working / "submission.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["fname", *LABELS]
        return {row[0]: [float(value) for value in row[1:]] for row in rows}

    @property
    def events(self) -> list[dict[str, Any]]:
        """The event log."""
        return [json.loads(line) for line in (self.working / "run.jsonl").read_text().splitlines()]

    def named(self, event: str) -> list[dict[str, Any]]:
        """All events of one name."""
        return [entry for entry in self.events if entry["event"] == event]


def environment(root: Path, *, rerun: bool, **overrides: object) -> dict[str, str]:
    folders = {"input_dir": str(root / "input"), "working_dir": str(root / "working")}
    variables = {**os.environ, OVERRIDES_VARIABLE: json.dumps({**folders, **overrides})}
    return {**variables, RERUN_VARIABLE: "1"} if rerun else variables


def run_kernel(root: Path, *, rerun: bool = False, **overrides: object) -> Finished:
    done = subprocess.run(
        [sys.executable, "-m", "kernel_src.run"],
        env=environment(root, rerun=rerun, **overrides),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr, root / "working")


def is_tagged(row: list[float]) -> bool:
    return row != pytest.approx(PRIORS)


@pytest.mark.usefixtures("weights")
def test_every_clip_is_tagged_by_every_member_and_view(competition: Path, tmp_path: Path) -> None:
    done = run_kernel(tmp_path)
    assert done.exit_code == 0, done.stderr
    assert set(done.rows) == {path.name for path in (competition / "test").iterdir()}
    assert all(is_tagged(row) for row in done.rows.values())
    names = [entry["event"] for entry in done.events]
    assert names.index("prior_written") < names.index("weights_loaded") < names.index("pass_done")
    assert names[-1] == "run_ended"
    first = done.named("pass_done")[:2]
    assert [(entry["member"], entry["view"]) for entry in first] == [("fold1-curated", 0), ("fold0-curated", 0)]


@pytest.mark.usefixtures("competition", "weights")
def test_a_machine_without_a_compiler_gives_the_same_scores_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_one = run_kernel(tmp_path, passes=2)
    monkeypatch.setenv("PATH", str(tmp_path))
    without = run_kernel(tmp_path, passes=2)
    assert without.exit_code == 0, without.stderr
    assert [entry["event"] for entry in without.events].count("no_native_frontend") == 1
    assert "winograd-float32" in [entry["backend"] for entry in without.named("backend_failed")]
    for name, row in with_one.rows.items():
        assert without.rows[name] == pytest.approx(row, abs=1e-3)


@pytest.mark.usefixtures("weights")
def test_unusable_clips_cost_their_own_score_and_strange_ones_nothing(competition: Path, tmp_path: Path) -> None:
    test, names = competition / "test", sorted(path.name for path in (competition / "test").iterdir())
    (test / names[0]).write_text("no sound")
    soundfile.write(test / names[1], np.zeros(0, np.float32), 44_100)
    soundfile.write(test / names[2], np.full(5000, np.nan, np.float32), 44_100, subtype="FLOAT")
    (test / names[3]).unlink()
    strange = {"silent.wav": np.zeros(44_100), "50ms.wav": tone(0.05), "10min.wav": np.tile(tone(10.0), 60)}
    for name, waveform in strange.items():
        soundfile.write(test / name, waveform, 44_100)
    stereo = np.stack([tone(1.0, rate_hz=8000)] * 2, axis=1)
    soundfile.write(test / "8khz.wav", stereo, 8000, subtype="FLOAT")
    spike = np.where(np.arange(44_100) == 1000, 1e25, tone(1.0))
    soundfile.write(test / "spike.wav", spike, 44_100, subtype="FLOAT")
    rows = [f"{name},0,0,0" for name in (*names, *strange, "8khz.wav", "spike.wav")]
    write_table(competition / "sample_submission.csv", ["fname," + ",".join(LABELS), *rows])

    done = run_kernel(tmp_path, passes=2)
    assert done.exit_code == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert {name for name, row in done.rows.items() if not is_tagged(row)} == set(names[:4])
    assert sorted(entry["fname"] for entry in done.named("clip_failed")) == names[:4]


@pytest.mark.usefixtures("competition", "weights")
def test_the_same_seed_and_passes_give_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for _ in range(2):
        run_kernel(tmp_path, passes=3, seed=5, backend="folded-float32")
        texts.append((tmp_path / "working" / "submission.csv").read_bytes())
    assert texts[0] == texts[1]


@pytest.mark.usefixtures("weights")
def test_a_placeholder_test_set_without_clips_is_normal(competition: Path, tmp_path: Path) -> None:
    write_table(competition / "sample_submission.csv", ["fname," + ",".join(LABELS)])
    done = run_kernel(tmp_path)
    assert done.exit_code == 0, done.stderr
    assert done.rows == {}


@pytest.mark.usefixtures("competition")
def test_a_damaged_member_is_left_out_and_the_others_go_on(weights: Path, tmp_path: Path) -> None:
    (weights / "fold1-curated.safetensors").write_bytes(b"damaged")
    done = run_kernel(tmp_path, passes=2)
    assert done.exit_code == 0, done.stderr
    assert [entry["member"] for entry in done.named("member_failed")] == ["fold1-curated"]
    assert all(is_tagged(row) for row in done.rows.values())


@pytest.mark.usefixtures("competition")
def test_weights_for_other_labels_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    make_weights(tmp_path / "input" / "hourglass-weights", labels=("Bark", "Meow", "Growl"))
    done = run_kernel(tmp_path)
    assert done.exit_code == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Growl" in done.stderr
    assert run_kernel(tmp_path, rerun=True).exit_code == 0


@pytest.mark.usefixtures("competition")
def test_without_weights_the_rerun_still_has_a_submission_and_says_why(tmp_path: Path) -> None:
    done = run_kernel(tmp_path, rerun=True)
    assert done.exit_code == 0
    assert "manifest.json" in done.named("run_failed")[0]["reason"]
    assert done.rows
    assert {value for row in done.rows.values() for value in row} == {1 / len(LABELS)}
    assert run_kernel(tmp_path).exit_code == 2


@pytest.mark.usefixtures("competition", "weights")
def test_a_first_write_that_fails_is_made_up_for_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Submission.write

    def refused_at_first(submission: Submission, rows: Any, version: int, *more: Any) -> bool:
        if version == 0:
            raise OSError(28, "No space left on device")
        return write(submission, rows, version, *more)

    def tag(tagger: Tagger, *_: object) -> Outcome:
        tagger._writer.blend.add(range(6), np.full((6, len(LABELS)), 0.7))
        tagger._writer.write(passes=1)
        return Outcome("no reason", 1, 6)

    monkeypatch.setattr(Submission, "write", refused_at_first)
    monkeypatch.setattr(Tagger, "tag", tag)
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)  # this process keeps its own signals
    for name, value in environment(tmp_path, rerun=True).items():
        monkeypatch.setenv(name, value)
    assert run_module.main() == 0
    done = Finished(0, "", "", tmp_path / "working")
    assert "No space left" in done.named("write_failed")[0]["error"]
    assert all(is_tagged(row) for row in done.rows.values())


@pytest.mark.usefixtures("weights")
def test_a_placeholder_test_set_whose_files_are_not_there_is_normal_on_commit_alone(
    competition: Path, tmp_path: Path
) -> None:
    for clip in (competition / "test").iterdir():
        clip.unlink()
    done = run_kernel(tmp_path)
    assert done.exit_code == 0, done.stderr
    assert "none of the 6 files" in done.stdout
    assert len(done.rows) == 6
    assert sorted(path.name for path in done.working.iterdir()) == ["run.jsonl", "submission.csv"]
    assert run_kernel(tmp_path, rerun=True).named("run_failed")


@pytest.mark.usefixtures("weights")
def test_a_run_that_could_tag_nothing_has_failed(competition: Path, tmp_path: Path) -> None:
    for clip in (competition / "test").iterdir():
        clip.write_text("no sound")
    on_commit = run_kernel(tmp_path)
    assert on_commit.exit_code == 2
    assert "none of 6 clips could be tagged" in on_commit.stderr
    done = run_kernel(tmp_path, rerun=True)
    assert done.exit_code == 0
    assert "none of 6 clips" in done.named("run_failed")[-1]["reason"]
    assert done.rows


@pytest.mark.usefixtures("competition", "weights")
def test_a_run_whose_submission_could_never_be_written_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "working" / "submission.csv" / "in the way").mkdir(parents=True)
    monkeypatch.setattr(Tagger, "tag", lambda *_: Outcome("no reason", 1, 6))
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)  # this process keeps its own signals
    for name, value in environment(tmp_path, rerun=False).items():
        monkeypatch.setenv(name, value)
    assert run_module.main() == 2
    assert "submission.csv: could not be written" in capsys.readouterr().err
    assert Finished(0, "", "", tmp_path / "working").events[-1]["event"] == "run_failed"


@pytest.mark.usefixtures("competition", "weights")
@pytest.mark.parametrize("time_s", [0.5, 14.0])
def test_too_little_time_still_gives_a_valid_submission_in_time(tmp_path: Path, time_s: float) -> None:
    began_s = time.monotonic()
    done = run_kernel(tmp_path, time_s=time_s)
    assert done.exit_code == 0, done.stderr
    assert time.monotonic() - began_s < max(time_s, 3.0)  # a process needs a moment to start and to leave
    assert len(done.rows) == 6


CELL = """
import builtins
builtins.__IPYTHON__ = True  # as IPython does
from kernel_src.run import main
print("the cell ends with", main(), flush=True)
"""


@pytest.mark.usefixtures("competition", "weights")
def test_when_the_time_is_up_a_notebook_goes_on_to_its_end(tmp_path: Path) -> None:
    variables = environment(tmp_path, rerun=True, time_s=1.0)
    done = subprocess.run([sys.executable, "-c", CELL], env=variables, capture_output=True, text=True, check=False)
    assert "the time is up" in done.stdout
    assert done.stdout.splitlines()[-1] == "the cell ends with 0"
    assert len(Finished(0, "", "", tmp_path / "working").rows) == 6


@pytest.mark.usefixtures("competition", "weights")
def test_a_fault_in_a_notebook_is_as_loud_as_in_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OwnFaultError

    monkeypatch.setattr("kernel_src.tagging.Tagger.tag", fail)
    monkeypatch.setattr(builtins, "__IPYTHON__", True, raising=False)
    for name, value in environment(tmp_path, rerun=False).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OwnFaultError):
        run_module.main()


@pytest.fixture
def long_run(competition: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run with passes for minutes, which has finished some of them."""
    names = [f"{path.name}" for path in sorted((competition / "test").iterdir())]
    for index in range(60):
        os.link(competition / "test" / names[index % 6], competition / "test" / f"copy{index}.wav")
    rows = [f"{path.name},0,0,0" for path in sorted((competition / "test").iterdir())]
    write_table(competition / "sample_submission.csv", ["fname," + ",".join(LABELS), *rows])
    make_weights(tmp_path / "input" / "hourglass-weights", n_members=60)
    run = subprocess.Popen(
        [sys.executable, "-m", "kernel_src.run"],
        env=environment(tmp_path, rerun=True),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    for line in run.stdout:
        if "pass done" in line:
            break
    yield run
    run.kill()
    run.stdout.close()
    run.wait()


def test_sigterm_writes_the_newest_blend_and_leaves_within_two_seconds(
    long_run: subprocess.Popen[str], tmp_path: Path
) -> None:
    time.sleep(0.3)
    began_s = time.monotonic()
    long_run.send_signal(signal.SIGTERM)
    assert long_run.wait(10) == 0
    assert time.monotonic() - began_s < 2
    done = Finished(0, "", "", tmp_path / "working")
    assert len(done.rows) == 66
    assert all(is_tagged(row) for row in done.rows.values())
    assert done.events[-1]["reason"] == "SIGTERM"


def test_a_kill_at_any_moment_leaves_a_complete_submission(long_run: subprocess.Popen[str], tmp_path: Path) -> None:
    time.sleep(0.2)
    long_run.kill()
    long_run.wait(10)
    assert len(Finished(0, "", "", tmp_path / "working").rows) == 66


@pytest.mark.usefixtures("competition", "weights")
def test_the_last_resort_stands_by_until_the_last_file_is_done_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr("kernel_src.submission.Submission.remove_spare", lambda _: done.append("spare removed"))
    monkeypatch.setattr("kernel_src.last_resort.LastResort.stand_down", lambda _: done.append("stood down"))
    monkeypatch.setattr("kernel_src.last_resort.LastResort._watch", lambda _: None)
    monkeypatch.setattr("kernel_src.tagging.Tagger.tag", lambda *_: Outcome("no reason", 1, 6))
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)  # this process keeps its own signals
    for name, value in environment(tmp_path, rerun=False).items():
        monkeypatch.setenv(name, value)
    assert run_module.main() == 0
    assert done == ["spare removed", "stood down"]


class OwnFaultError(Exception):
    """Stands for a bug of ours."""


@pytest.mark.usefixtures("competition", "weights")
@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("SIGKILL", lambda *_: os.kill(os.getpid(), signal.SIGKILL)),
        ("exit code 1", lambda *_: os._exit(1)),  # a library of C that has lost its patience
    ],
)
def test_what_ends_the_hidden_run_at_once_leaves_the_submission_so_far_and_exit_code_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, end: Callable[..., None]
) -> None:
    monkeypatch.setattr("kernel_src.tagging.Tagger.tag", end)
    for variable, value in environment(tmp_path, rerun=True).items():
        monkeypatch.setenv(variable, value)
    assert run_module.main() == 0
    done = Finished(0, "", "", tmp_path / "working")
    assert name in done.named("run_failed")[0]["reason"]
    assert done.events[-1]["event"] == "run_failed"
    assert len(done.rows) == 6


HANGS = """
import ctypes, sys
from kernel_src import run
run.prepare_for_torch = lambda: ctypes.PyDLL(None).pause()  # no thread goes on: it holds the interpreter's lock
sys.exit(run.main())
"""


@pytest.mark.usefixtures("competition", "weights")
@pytest.mark.parametrize("asked", [False, True], ids=["at the limit", "when asked to go"])
def test_what_hangs_with_the_interpreters_lock_leaves_the_submission_so_far_and_exit_code_0_in_time(
    tmp_path: Path, asked: bool
) -> None:
    variables = environment(tmp_path, rerun=True, time_s=60.0 if asked else 3.0)
    process = subprocess.Popen([sys.executable, "-c", HANGS], env=variables, stdout=subprocess.PIPE, text=True)
    began_s = time.monotonic()
    try:
        if asked:
            time.sleep(1)
            process.terminate()
        printed, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - began_s < (8.0 if asked else 3.0)
    assert process.returncode == 0
    assert "ended with SIGKILL" in printed
    assert len(Finished(0, "", "", tmp_path / "working").rows) == 6


@pytest.mark.usefixtures("competition", "weights")
def test_where_there_can_be_no_process_for_the_hidden_run_it_is_made_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    monkeypatch.setattr("kernel_src.tagging.Tagger.tag", lambda *_: Outcome("no reason", 1, 6))
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)  # this process keeps its own signals
    for name, value in environment(tmp_path, rerun=True).items():
        monkeypatch.setenv(name, value)
    assert run_module.main() == 0
    assert Finished(0, "", "", tmp_path / "working").events[-1]["event"] == "run_ended"


@pytest.mark.usefixtures("competition", "weights")
def test_a_fault_of_our_own_is_loud_on_commit_and_silent_in_the_rerun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OwnFaultError

    monkeypatch.setattr("kernel_src.tagging.Tagger.tag", fail)
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)  # this process keeps its own signals
    for rerun in (False, True):
        for name, value in environment(tmp_path, rerun=rerun).items():
            monkeypatch.setenv(name, value)
        if rerun:
            assert run_module.main() == 0
        else:
            with pytest.raises(OwnFaultError):
                run_module.main()
        done = Finished(0, "", "", tmp_path / "working")
        assert "OwnFaultError" in done.named("run_failed")[0]["reason"]
        assert all(not is_tagged(row) for row in done.rows.values())
