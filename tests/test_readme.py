"""What the README says, held against what is there."""

import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from bundler.cli import main as bundle
from publisher.command import main as publish
from simulator.command import main as simulate
from train_offline.command import main as train_offline

COMMANDS = {"-m train_offline": train_offline, "publish.py": publish, "bundle.py": bundle, "simulate.py": simulate}
ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_layout_has_a_line_for_every_file_that_is_there() -> None:
    done = subprocess.run([sys.executable, ROOT / "docs" / "write_layout.py", "--check"], check=False)
    assert done.returncode == 0


def test_another_torch_makes_the_environment_anew_and_the_same_one_does_not(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    ready = tmp_path / ".venv" / "ready"
    ready.parent.mkdir()
    ready.write_text("torch==1 --index-url here\n")

    def planned(*settings: str) -> str:
        return subprocess.run(
            ["make", "-n", "setup", *settings], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    assert "venv" not in planned()
    assert "-m venv" not in planned("TORCH=torch==1 --index-url here")
    assert "-m venv --clear .venv" in planned("TORCH=torch==2")


def test_every_make_target_in_the_text_exists() -> None:
    named = set(re.findall(r"`make ([a-z-]+)", README))
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    assert named
    assert named <= targets


def test_every_file_that_the_text_links_to_exists() -> None:
    links = {link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")}
    assert all((ROOT / link).exists() for link in links), links


def test_every_command_of_ours_in_the_text_takes_the_options_that_it_is_given(
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands = re.findall(
        r"python ((?:-m train_offline|publish\.py) [a-z-]+|bundle\.py|simulate\.py)([^\n`|]*)", README
    )
    assert len(commands) > 5
    given: defaultdict[str, set[str]] = defaultdict(set)
    for start, rest in commands:
        given[start].update(re.findall(r"(?<![\w-])--[a-z-]+", rest))
    for start, options in given.items():
        program = next(name for name in COMMANDS if start.startswith(name))
        with pytest.raises(SystemExit, match=r"^0$"):
            COMMANDS[program]([*start.removeprefix(program).split(), "--help"])
        shown = capsys.readouterr().out
        assert {option for option in options if option not in shown} == set(), start
