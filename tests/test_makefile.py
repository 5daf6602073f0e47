"""The Makefile, with a Python that only says what it was asked for."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAYS_ITS_ARGUMENTS = """#!/bin/sh
[ "$1" = --version ] && echo "Python 3.11.7" && exit
printf '<%s>' "$@"
"""
Make = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a difficult name, whose environment is ready."""
    folder = tmp_path / "some body's $HOME"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.write_text(SAYS_ITS_ARGUMENTS)
    python.chmod(0o755)
    (folder / ".venv" / "ready").write_text("torch==2.13.0\n")
    return folder


@pytest.fixture
def other_python(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a Python of some version, which lies somewhere else."""

    def install(version: str) -> Path:
        path = tmp_path / f"python {version}"
        path.write_text(SAYS_ITS_ARGUMENTS.replace("3.11.7", version))
        path.chmod(0o755)
        return path

    return install


@pytest.fixture
def make(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Runs make there: quietly, or with other options."""
    for name in ("MAKEFLAGS", "DATA", "WEIGHTS", "MESSAGE", "TIME", "FOLDS", "ARGS", "TORCH", "PYTHON", "RECORDINGS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, option: str = "-s") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(["make", option, *arguments], cwd=checkout, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    "path", ["my recordings", "a  b", "it's", 'the "best"', "$HOME", "a;b", "`id`", "x~/y", "(1)&"]
)
def test_a_path_arrives_as_it_is(make: Make, path: str) -> None:
    assert f"<--data><{path}><" in make("train", f"DATA={path}").stdout
    assert make("smoke", f"WEIGHTS={path}").stdout == f"<bundle.py><--smoke><--weights><{path}>"
    assert make("test", f"RECORDINGS={path}").stdout.endswith(f"<--recordings><{path}>")


def test_a_path_may_begin_in_the_home_folder(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home of/somebody")
    assert make("describe", "DATA=~/my recordings").stdout.endswith("<describe></home of/somebody/my recordings>")


@pytest.mark.parametrize(
    "message", ["two folds", "it's", 'the "best"', "costs $5", "$(shell id)", "`id`", "a; id", "#1"]
)
def test_a_message_arrives_as_it_is(make: Make, message: str) -> None:
    assert make("submit", f"MESSAGE={message}").stdout == f"<publish.py><submit><--message><{message}>"


def test_a_setting_that_is_not_given_gives_no_option(make: Make) -> None:
    assert make("submit").stdout == "<publish.py><submit>"
    assert "--folds" not in make("train").stdout
    assert "<--folds><0, 1>" in make("train", "FOLDS=0, 1").stdout


def test_the_torch_that_was_chosen_stays_when_the_environment_is_brought_up_to_date(
    make: Make, checkout: Path, other_python: Callable[[str], Path]
) -> None:
    assert make("setup", "TORCH=torch==2.12.0 --index-url here", f"PYTHON={other_python('3.11.7')}").returncode == 0
    os.utime(checkout / ".venv" / "ready", (0, 0))  # older than pyproject.toml
    assert "install --quiet torch==2.12.0 --index-url here\n" in make("setup", option="-n").stdout
    assert "--clear" not in make("setup", option="-n").stdout
    assert "install --quiet torch==2.14.0\n" in make("setup", "TORCH=torch==2.14.0", option="-n").stdout


def test_another_python_makes_the_environment_anew_and_the_same_one_does_not(
    make: Make, other_python: Callable[[str], Path]
) -> None:
    other = other_python("3.12.3")
    assert f'"{other}" -m venv --clear .venv\n' in make("setup", f"PYTHON={other}", option="-n").stdout
    assert "-m venv" not in make("setup", f"PYTHON={other_python('3.11.7')}", option="-n").stdout
    assert "-m venv" not in make("setup", option="-n").stdout


@pytest.mark.parametrize(
    ("python", "fault"),
    [("nosuch", "none was found as nosuch"), ("", "none was found; install it"), ("false", "false does not run")],
)
def test_a_python_that_does_not_do_is_told_in_one_line_and_nothing_is_made(
    make: Make, checkout: Path, python: str, fault: str
) -> None:
    (checkout / ".venv" / "ready").unlink()
    done = make("kernel", f"PYTHON={python}")
    assert done.returncode == 2
    assert fault in done.stderr.splitlines()[0]
    assert len(done.stderr.splitlines()) == 2  # the other one is make's
    assert done.stdout == ""
    assert not (checkout / ".venv" / "ready").exists()


def test_help_names_every_target_that_says_what_it_does(make: Make) -> None:
    shown = make("help").stdout
    for target in ("setup", "demo", "train", "kernel", "smoke", "simulate", "push", "submit", "test", "check", "clean"):
        assert f"  make {target} " in shown


def test_help_names_every_setting_with_what_it_is_for(make: Make) -> None:
    settings = re.findall(r"^([A-Z0-9]+) *\?=", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"DATA", "TORCH", "PYTHON312"} <= {*settings}
    shown = make("help").stdout
    for setting in settings:
        assert re.search(rf"^  {setting}= +\w+", shown, re.MULTILINE), setting
