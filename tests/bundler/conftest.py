"""One way for all these tests: write a tiny project, bundle it, run the script in a clean process, look at it."""

import os
import resource
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from interpreters import find_python

from bundler.build import build
from bundler.project import read_project

KERNEL_TOML = """
[kernel]
id = "somebody/tiny-kernel"
title = "Tiny kernel"
entry = "app.main:main"
package = "app"
"""


def pytest_addoption(parser):
    parser.addoption("--bundler", default="ours", help="make the table of behaviours with another bundler")


@dataclass(frozen=True)
class Outcome:
    """What a run of a script came to."""

    code: int
    out: str
    err: str
    left: list[str]


@dataclass(frozen=True)
class Script:
    """A bundled script, and the Python and the clean folder that it runs in."""

    path: Path
    python: str
    home: Path
    flags: Sequence[str] = ("-I",)

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def run(self, *arguments: str, python_flags=None, before: Sequence[str] = (), **environment: str) -> Outcome:
        process = self.start(*arguments, python_flags=python_flags, before=before, **environment)
        out, err = process.communicate(timeout=60)
        return Outcome(process.returncode, out, err, self.files_left())

    def start(self, *arguments: str, python_flags=None, before: Sequence[str] = (), no_disk=False, **environment: str):
        flags = self.flags if python_flags is None else python_flags
        return subprocess.Popen(
            [*before, self.python, *flags, str(self.path), *arguments],
            cwd=self.home / "working",
            env={"PATH": os.defpath, "HOME": str(self.home), "TMPDIR": str(self.home / "tmp"), **environment},
            text=True,
            encoding="utf-8",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=forbid_files if no_disk else None,  # noqa: PLW1509  # one thread, and only a limit is set
        )

    def files_left(self) -> list[str]:
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file())


def forbid_files() -> None:
    """From now on no process that starts here can write a byte to any file, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.fixture(params=["3.11", "3.12", "3.13"])
def python(request) -> str:
    """Each Python that scripts must run on, as far as this machine has it."""
    found = find_python(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} here")
    return found


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short path, for sockets have a limit; working/ and tmp/ in it are empty."""
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        for name in ("working", "tmp"):
            (Path(folder) / name).mkdir()
        yield Path(folder).resolve()


@pytest.fixture
def project(tmp_path) -> Callable[..., Path]:
    """Writes a project: the files of its package `app` by their path in it."""

    def write(files: Mapping[str, str | bytes], toml: str = "", **others: str) -> Path:
        folder = tmp_path / "project"
        contents = {f"app/{name}": content for name, content in {"__init__.py": "", **files}.items()}
        for name, content in {"kernel.toml": KERNEL_TOML + toml, **contents, **others}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return folder

    return write


@pytest.fixture
def bundled(project, home, request, tmp_path) -> Callable[..., Script]:
    """Writes a project and bundles it: by the bundler, or for the table of behaviours by another one."""
    python = request.getfixturevalue("python") if "python" in request.fixturenames else sys.executable

    def make(files: Mapping[str, str | bytes], **others) -> Script:
        folder = project(files, **others)
        name = request.config.getoption("bundler", default="ours")
        if name == "ours":
            path = tmp_path / "kernel.py"
            path.write_bytes(build(read_project(folder)).outputs["kernel.py"])
            return Script(path, python, home)
        from benchmarks.rival_bundlers import RIVALS

        return Script(RIVALS[name](folder, tmp_path), python, home)

    return make
