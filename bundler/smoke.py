"""A trial run of the script, in an empty folder, on a tiny input that the project makes."""

import csv
import math
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from string import Template

from bundler.errors import BundleError
from bundler.project import Project, SmokeTable

LOG_NAME = "smoke.log"


@dataclass(frozen=True)
class SmokeFolders:
    """The folders of a trial run; `$INPUT`, `$WORKING` and `$WEIGHTS` of kernel.toml."""

    input: Path
    """What the script reads."""
    working: Path
    """Where it runs and writes; empty at the start."""
    weights: Path
    """What the project has made beforehand and the input is to have, such as trained weights."""

    def fill_in(self, text: str) -> str:
        """The text with the folders put in."""
        return Template(text).safe_substitute(INPUT=self.input, WORKING=self.working, WEIGHTS=self.weights)


def smoke(project: Project, script: bytes, weights: Path, log: Path) -> str:
    """Runs the script as Kaggle would, and checks what it leaves.

    Args:
        project: its table `[smoke]` says how to make the input; without one there is none.
        script: the bundled script.
        weights: the folder that `$WEIGHTS` stands for.
        log: gets all that the script printed.

    Returns:
        One sentence about what was checked.

    Raises:
        BundleError: the input cannot be made, the script fails, or its submission does not fit the sample.
    """
    table = project.smoke or SmokeTable(submission="")
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        folders = SmokeFolders(top / "input", top / "working", weights.resolve())
        for path in (folders.input, folders.working, top / "src"):
            path.mkdir()
        _prepare(project, table, folders)
        (top / "src" / "script.py").write_bytes(script)
        _run(table, top / "src" / "script.py", folders, log)
        if not table.submission:
            return "the script ran in an empty folder and ended with exit code 0"
        rows = _check_submission(folders.working / table.submission, _sample(table, folders.input))
    return f"the script ran in an empty folder and left a {table.submission} with {rows} rows like the sample's"


def _prepare(project: Project, table: SmokeTable, folders: SmokeFolders) -> None:
    if not table.prepare:
        return
    command = [folders.fill_in(part) for part in table.prepare]
    program = sys.executable if command[0] == "python" else command[0]
    try:
        done = subprocess.run(  # noqa: PLW1510
            [program, *command[1:]], cwd=project.folder, capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        raise BundleError(f"the input of the trial run cannot be made: {error}") from None
    if done.returncode:
        raise BundleError(
            f"the input of the trial run cannot be made: `{shlex.join(command)}` ended with exit code "
            f"{done.returncode}: {_last_line(done.stderr)}"
        )


def _run(table: SmokeTable, script: Path, folders: SmokeFolders, log: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {key: folders.fill_in(value) for key, value in table.environment.items()}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(script)],
            cwd=folders.working,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            code = process.wait(table.time_s)
        except subprocess.TimeoutExpired:
            raise BundleError(f"the trial run took more than {table.time_s:g} s; see {log}") from None
        finally:
            _end_group(process)
    if code:
        text = log.read_text(encoding="utf-8", errors="replace")
        raise BundleError(f"the trial run ended with exit code {code}: {_last_line(text)}; see {log}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ends the script and whatever it has started and left behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it printed nothing")


def _sample(table: SmokeTable, folder: Path) -> Path:
    found = sorted(folder.rglob(table.sample))
    if not found:
        raise BundleError(f"the trial run has no {table.sample} in its input; `prepare` of [smoke] is to make one")
    return found[0]


def _check_submission(submission: Path, sample: Path) -> int:
    """The number of rows of a submission that fits its sample."""
    if not submission.is_file():
        raise BundleError(f"the trial run left no {submission.name}")
    expected, got = _read_rows(sample), _read_rows(submission)
    if not expected:
        raise BundleError(f"the trial run's {sample.name} is empty; expected a header at least")
    if got[:1] != expected[:1]:
        raise BundleError(f"the trial run's {submission.name} has other columns than {sample.name}")
    if sorted(row[0] for row in got) != sorted(row[0] for row in expected):
        raise BundleError(f"the trial run's {submission.name} has other rows than {sample.name}, by the first column")
    for line, row in enumerate(got[1:], 2):
        for column, text, wanted in zip(expected[0], row, expected[1], strict=False):
            if len(row) != len(expected[0]) or not text or (_is_number(wanted) and not _is_number(text)):
                raise BundleError(f"the trial run's {submission.name}, line {line}: {column} is {text!r}")
    return len(got) - 1


def _read_rows(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BundleError(f"the trial run's {path.name} cannot be read: {error}") from None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
