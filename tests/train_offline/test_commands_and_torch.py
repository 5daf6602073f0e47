"""Torch takes some settings only before it is loaded, so the commands make them before."""

import os
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import os, sys

    class Watch:
        def find_spec(self, name, path=None, target=None):
            if name == "torch":
                print("torch is loaded, waiting is", os.environ.get("OMP_WAIT_POLICY"))

    sys.meta_path.insert(0, Watch())
    from train_offline.command import main
    print("commands are there")
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_torch_is_loaded_after_its_settings_are_made(command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), command, "--data", "nowhere"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout.splitlines() == ["commands are there", "torch is loaded, waiting is PASSIVE"]


def test_help_comes_without_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), "train", "--help"], capture_output=True, text=True, check=True
    )
    assert "--recipe" in done.stdout
    assert "torch is loaded" not in done.stdout
