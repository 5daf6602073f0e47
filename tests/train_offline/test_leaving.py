"""How the commands tell of what they do, and end before their end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from train_offline import command


def test_a_log_has_the_lines_of_both_streams_in_their_order(
    training_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    with log.open("a") as told, log.open("a", buffering=1) as failed:
        monkeypatch.setattr(sys, "stdout", told)
        monkeypatch.setattr(sys, "stderr", failed)
        assert command.main(["train", "--data", str(training_data), "--size", "demo", "--out", "/dev/null"]) == 2
        before_its_end = log.read_text().splitlines()
    assert before_its_end[0].startswith("24 clips and 18 noisy ones")
    assert "/dev/null" in before_its_end[-1]


def test_a_pipe_that_nobody_reads_any_more_is_no_traceback(
    training_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert command.main(["describe", str(training_data), "--out", str(tmp_path / "page.html")]) == 141


def test_a_file_that_cannot_be_taken_away_is_one_line_and_exit_code_2(
    training_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "weights" / "training" / "fold0-noisy.checkpoint").mkdir(parents=True)
    told = ["train", "--data", str(training_data), "--size", "demo", "--folds", "0", "--again"]
    assert command.main([*told, "--out", str(tmp_path / "weights")]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "fold0-noisy.checkpoint: Is a directory; make sure that it can be" in last


def test_sigterm_leaves_nothing_half_done_behind(tmp_path: Path) -> None:
    told = [sys.executable, "-m", "train_offline", "demo-data", str(tmp_path / "demo")]
    process = subprocess.Popen(told, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("demo.partial-*/new/train_curated/*.wav")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=60)[1].splitlines()[-1] == "interrupted"
    assert process.returncode == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())
