"""The whole way with the real client, each command in a process of its own, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from kaggle_server import KaggleServer
from kaggle_state import SIGNATURE, Competition
from published import COMPETITION, ROOT, python


@pytest.fixture
def checkout(tmp_path: Path, weights: Path) -> Path:
    """This project with the tester's names in kernel.toml, and weights."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    toml = (ROOT / "kernel.toml").read_text(encoding="utf-8")
    (folder / "kernel.toml").write_text(toml.replace("your-name/", "tester/"), encoding="utf-8")
    (folder / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
    (folder / "kernel_src").symlink_to(ROOT / "kernel_src")
    (folder / "weights").symlink_to(weights)
    return folder


def succeed(*arguments: object) -> str:
    done = python(*arguments)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for secret in (SIGNATURE, os.environ["KAGGLE_KEY"]):
        assert secret not in said
    return said


def test_the_kernel_that_was_pushed_runs_elsewhere_and_its_submission_comes_back(
    kaggle: KaggleServer, checkout: Path, competition: Path, tmp_path: Path
) -> None:
    sample = (competition / "sample_submission.csv").read_bytes()
    kaggle.state.competitions[COMPETITION] = Competition({"sample_submission.csv": sample})
    ours = ("--project", checkout, "--every", "0.1s")
    succeed("bundle.py", "--project", checkout)
    succeed("publish.py", "weights", *ours)
    succeed("publish.py", "kernel", *ours, "--no-wait")
    kernel = kaggle.state.kernels["tester/hourglass-audio-tagging"]
    fetched, run = tmp_path / "from-kaggle", tmp_path / "run"
    (fetched / "weights").mkdir(parents=True)
    (fetched / "kernel.py").write_text(kernel.versions[0].text, encoding="utf-8")
    for name, content in kaggle.state.datasets["tester/hourglass-weights"].versions[-1].items():
        (fetched / "weights" / name).write_bytes(content)
    from_kaggle = ("--script", fetched / "kernel.py", "--weights", fetched / "weights")
    succeed("simulate.py", *from_kaggle, "--data", competition, "--time", "60s", "--out", run)
    submission = next(run.rglob("submission.csv")).read_bytes()
    kernel.output = {"submission.csv": submission}
    kernel.log = json.dumps([{"stream_name": "stdout", "time": 12.0, "data": "done\n"}])
    said = succeed("publish.py", "output", *ours)
    assert (checkout / "build" / "output" / "submission.csv").read_bytes() == submission
    assert "0:12 of 1:00:00" in said
    assert "public score 0.71234" in succeed("publish.py", "submit", *ours, "--message", "rehearsed")


def test_the_plain_client_pushes_the_folder_too(kaggle: KaggleServer, checkout: Path) -> None:
    kaggle.state.competitions[COMPETITION] = Competition()
    succeed("bundle.py", "--project", checkout)
    client = Path(sys.executable).with_name("kaggle")
    done = subprocess.run(
        [client, "kernels", "push", "-p", checkout / "build"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "Kernel version 1 successfully pushed" in done.stdout
    (pushed,) = kaggle.state.kernels["tester/hourglass-audio-tagging"].versions
    assert pushed.text == (checkout / "build" / "kernel.py").read_text(encoding="utf-8")
    assert (pushed.enable_gpu, pushed.enable_internet, pushed.is_private) == (True, False, True)
    assert (pushed.machine_shape, pushed.kernel_type) == ("NvidiaTeslaT4", "script")


def test_ctrl_c_in_a_terminal_leaves_without_a_traceback(kaggle: KaggleServer, checkout: Path) -> None:
    kaggle.state.competitions[COMPETITION] = Competition()
    kaggle.state.new_run_states = ["RUNNING"]
    succeed("bundle.py", "--project", checkout)
    subprocess.run(
        [Path(sys.executable).with_name("kaggle"), "kernels", "push", "-p", checkout / "build"],
        check=True,
        capture_output=True,
    )
    command = [sys.executable, "publish.py", "output", "--project", str(checkout), "--every", "0.1s"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "running" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "python publish.py output" in said
    assert "Traceback" not in said


def test_without_credentials_nothing_is_asked_of_anybody(
    kaggle: KaggleServer, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAGGLE_USERNAME")
    done = python("publish.py", "weights", "--project", checkout)
    assert done.returncode == 2
    assert done.stderr.startswith("publish: no Kaggle credentials")
    assert done.stdout == ""
    assert kaggle.seen == []


def test_a_talkative_environment_makes_nobody_tell_the_token_and_it_is_used_only_after_the_import(
    kaggle: KaggleServer, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "KGAT_0123456789abcdef0123456789abcdef"
    kaggle.state.tokens[token] = "tester"
    monkeypatch.delenv("KAGGLE_USERNAME")
    for name, value in {"KAGGLE_API_TOKEN": token, "VERBOSE": "1", "VERBOSE_OUTPUT": "true"}.items():
        monkeypatch.setenv(name, value)
    said = succeed("publish.py", "weights", "--project", checkout, "--every", "0.1s")
    for word in (token, "Authorization", "upload_id"):
        assert word not in said
    assert len(kaggle.calls("IntrospectToken")) == 1
