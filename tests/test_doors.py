"""The commands as a shell starts them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRESSES_CTRL_C = """
import os, signal, sys

class Presses:
    def find_spec(self, name, path=None, target=None):
        if name == "argparse":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Presses())
"""


@pytest.mark.parametrize("door", ["bundle.py", "simulate.py", "publish.py", "-mtrain_offline"])
def test_ctrl_c_while_the_modules_are_loaded_is_an_exit_code_and_no_traceback(door: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(PRESSES_CTRL_C)
    done = subprocess.run(
        [sys.executable, door, "--help"],
        cwd=ROOT,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 130
    assert done.stdout + done.stderr == ""
