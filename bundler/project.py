"""The project that is bundled, as its kernel.toml describes it."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

from bundler.errors import BundleError

KERNEL_TOML = "kernel.toml"
TABLES = ("kernel", "limits", "smoke", "weights")
"""Those that something reads; a project may have others of its own."""


@dataclass(frozen=True)
class KernelTable:
    """The table `[kernel]` of kernel.toml."""

    id: str
    """The user's name and the title as a slug: "owner/some-title"."""
    title: str
    """The kernel's title."""
    entry: str
    """"module:function": called without arguments when the script starts; what it returns is the exit code."""
    package: str
    """The folder, or the single module, that goes into the script."""

    competition: str = ""
    """The competition whose data the kernel reads."""
    datasets: tuple[str, ...] = ()
    """The data sets that it reads, each "owner/slug"."""
    gpu: bool = False
    """Whether it runs on a GPU."""
    machine_shape: str = ""
    """Which machine; empty: Kaggle chooses."""
    docker_image: str = ""
    """Which image; empty: Kaggle's newest."""
    private: bool = True
    """Whether others cannot see it."""
    leave_out: tuple[str, ...] = ()
    """Files of the package that stay here: paths in the package, `*` stands for anything."""

    @property
    def entry_module(self) -> str:
        """The module of the entry."""
        return self.entry.partition(":")[0]

    @property
    def entry_function(self) -> str:
        """The function of the entry."""
        return self.entry.partition(":")[2]


@dataclass(frozen=True)
class SmokeTable:
    """The table `[smoke]` of kernel.toml: how a trial run gets its input.

    In the command and the environment `$INPUT`, `$WORKING` and `$WEIGHTS` stand for folders.
    """

    prepare: tuple[str, ...] = ()
    """The command that fills the empty folder `$INPUT`, run in the project; "python" is the Python that bundles."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the script finds in its environment."""
    time_s: float = 120.0
    """Seconds after which the script is stopped and the trial has failed."""
    submission: str = "submission.csv"
    """The file that the script must leave in its working folder; empty: none."""
    sample: str = "sample_submission.csv"
    """The file below `$INPUT` whose header and first column the submission must have."""


@dataclass(frozen=True)
class Project:
    """A folder with a kernel.toml and a package."""

    folder: Path
    """Where kernel.toml and the package lie."""
    tables: Mapping[str, Any]
    """All of kernel.toml."""
    kernel: KernelTable
    """Its table `[kernel]`."""
    smoke: SmokeTable | None
    """Its table `[smoke]`, if it has one."""


def read_project(folder: Path) -> Project:
    """The project in a folder.

    Raises:
        BundleError: kernel.toml is missing or unreadable, or a value in it has the wrong type.
    """
    path = folder / KERNEL_TOML
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; it names the kernel's id, title, entry and package") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from None
    for name in set(tables) - set(TABLES):
        if (meant := get_close_matches(name.lower(), TABLES, n=1, cutoff=0.8)) and meant[0] not in tables:
            raise BundleError(f"{path}: nothing reads a table [{name}]; is it [{meant[0]}]?")
    kernel = KernelTable(**_checked("kernel", tables.get("kernel"), KernelTable))
    smoke = SmokeTable(**_checked("smoke", tables["smoke"], SmokeTable)) if "smoke" in tables else None
    return Project(folder, tables, kernel, smoke)


def _checked(name: str, table: Any, kind: type[KernelTable | SmokeTable]) -> dict[str, Any]:
    where = f"{KERNEL_TOML} [{name}]"
    known = [entry.name for entry in fields(kind)]
    required = [e.name for e in fields(kind) if e.default is MISSING and e.default_factory is MISSING]
    if not isinstance(table, dict) or (required and not table):
        raise BundleError(f"{where}: the table is missing; known keys are {', '.join(known)}")
    problems = [f"{where}: {key} is missing" for key in required if key not in table]
    problems += [f"{where}: unknown key {key}; known are {', '.join(known)}" for key in table if key not in known]
    types = get_type_hints(kind)
    for key in known:
        if key in table and not _has_type(table[key], types[key]):
            problems.append(f"{where}: {key} = {table[key]!r}; expected {_TYPE_WORDS[types[key]]}")
    if problems:
        raise BundleError(problems)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


_TYPE_WORDS: Mapping[Any, str] = {
    str: "a text in quotes",
    bool: "true or false",
    float: "a number above zero",
    tuple[str, ...]: 'a list of texts, such as ["one", "two"]',
    Mapping[str, str]: "a table of texts",
}


def _has_type(value: Any, expected: Any) -> bool:
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
    if expected == tuple[str, ...]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if expected == Mapping[str, str]:
        return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
    return isinstance(value, expected)
