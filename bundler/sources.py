"""The files of a package, as the script will carry them."""

import ast
import hashlib
import importlib.util
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from keyword import iskeyword
from pathlib import Path
from typing import Any

from bundler.errors import BundleError
from bundler.project import KERNEL_TOML, Project

MAX_DATA_FILE_BYTES = 100_000
CONSTANTS_MODULE = "kernel_toml"
COMPILED_SUFFIXES = (".so", ".pyd", ".dll", ".dylib")
NOT_CARRIED = ("__pycache__", ".*", "*.pyc", "*.pyi", "*~", "py.typed")


@dataclass(frozen=True)
class CarriedFile:
    """One file of the package."""

    path: str
    """Its path in the project, with "/" between the parts: "package/module.py"."""
    content: bytes
    """A module's text in UTF-8 with "\\n" after each line, whatever it has on the disk; a data file's own bytes."""

    @property
    def is_module(self) -> bool:
        """Whether it is Python."""
        return self.path.endswith(".py")

    @property
    def module(self) -> str:
        """The name that it is imported by; empty for a data file."""
        if not self.is_module:
            return ""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def text(self) -> str:
        """A module's text."""
        return self.content.decode()

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()


def read_sources(project: Project) -> list[CarriedFile]:
    """All files of the project's package that belong into the script, sorted by path.

    Python files are decoded as Python would. A module `kernel_toml` of the package gets the values of kernel.toml
    written out, for there is no kernel.toml beside the script.

    Raises:
        BundleError: the package is missing, or it has a file that a script cannot carry.
    """
    files: list[CarriedFile] = []
    problems: list[str] = []
    for path in _paths(project):
        if _left_out(path, project):
            continue
        try:
            files.append(_read(project, path))
        except BundleError as error:
            problems += error.problems
    if problems:
        raise BundleError(problems)
    return files


def idle_patterns(project: Project) -> list[str]:
    """The patterns of leave_out that leave nothing out, one sentence each: what they were meant for may be carried."""
    inner = [_inner(path, project) for path in _paths(project)]
    return [
        f"{KERNEL_TOML} [kernel]: leave_out names {pattern!r}, but it has no such file; paths begin in the package"
        for pattern in project.kernel.leave_out
        if not any(fnmatch(path, pattern) for path in inner)
    ]


def is_name(text: str) -> bool:
    """Whether an import statement can name a module so."""
    return text.isidentifier() and not iskeyword(text)


def sources_sha256(files: Iterable[CarriedFile]) -> str:
    """One hash of all the files, as `sha256sum` over their list (sorted by path) would give it."""
    lines = (f"{file.sha256}  {file.path}\n" for file in sorted(files, key=lambda file: file.path))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _paths(project: Project) -> list[str]:
    package = project.kernel.package
    if not is_name(package):
        where = f"{KERNEL_TOML} [kernel]: package = {package!r}"
        raise BundleError(f"{where}; expected the name of a folder here, as Python imports it")
    if (project.folder / package).is_dir():
        paths = sorted(_walk(project.folder, package))
    elif (project.folder / f"{package}.py").is_file():
        paths = [f"{package}.py"]
    else:
        raise BundleError(f"{project.folder} has no folder {package}, which {KERNEL_TOML} gives as the package")
    return paths


def _walk(top: Path, folder: str) -> Iterator[str]:
    for entry in os.scandir(top / folder):
        if any(fnmatch(entry.name, pattern) for pattern in NOT_CARRIED):
            continue
        path = f"{folder}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(top, path)
        else:
            yield path


def _left_out(path: str, project: Project) -> bool:
    return any(fnmatch(_inner(path, project), pattern) for pattern in project.kernel.leave_out)


def _inner(path: str, project: Project) -> str:
    return path.removeprefix(f"{project.kernel.package}/")


def _read(project: Project, path: str) -> CarriedFile:
    if path == f"{project.kernel.package}/{CONSTANTS_MODULE}.py":
        runtime_tables = {name: table for name, table in project.tables.items() if name != "smoke"}
        return CarriedFile(path, constants_text(runtime_tables).encode())
    if not path.isprintable():
        raise BundleError(f"{path!r} has characters in its name that cannot be printed; rename it")
    if path.endswith(COMPILED_SUFFIXES):
        raise BundleError(f"{path} is compiled: a script cannot carry it; put it into a data set")
    try:
        content = (project.folder / path).read_bytes()
        if path.endswith(".py"):
            content = importlib.util.decode_source(content).encode()
    except (OSError, SyntaxError, UnicodeError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from None
    if not path.endswith(".py") and len(content) > MAX_DATA_FILE_BYTES:
        raise BundleError(
            f"{path} has {len(content):,} bytes; a script carries data files of up to {MAX_DATA_FILE_BYTES:,}: "
            f"put it into a data set, or name it in leave_out of {KERNEL_TOML} [kernel]"
        )
    return CarriedFile(path, content)


def constants_text(tables: Mapping[str, Any]) -> str:
    """The text of a module that has kernel.toml as a constant.

    Raises:
        BundleError: a value, such as a date, cannot be written as a plain constant.
    """
    literal = _literal(tables, "")
    if _evaluated(literal) != tables:
        raise BundleError(f"{KERNEL_TOML}: the script can carry texts, numbers, true, false and lists of them only")
    return f'"""kernel.toml as constants, written out by the bundler."""\n\nKERNEL_TOML = {literal}\n'


def _literal(value: Any, indent: str) -> str:
    if not isinstance(value, dict):
        return repr(value)
    inner = indent + "    "
    lines = [f"{inner}{key!r}: {_literal(item, inner)},\n" for key, item in value.items()]
    return "{\n" + "".join(lines) + indent + "}"


def _evaluated(literal: str) -> object:
    try:
        return ast.literal_eval(literal)
    except ValueError:
        return None
