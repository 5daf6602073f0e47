"""Which modules of the package the entry reaches, in the order in which it does, found by stickytape.

stickytape's own output is not used as a script: it writes the modules into a temporary folder and runs them there.
Only the modules that it found are read out of it.
"""

import ast
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import stickytape

from bundler.sources import CarriedFile

WRITER_NAME = "__stickytape_write_module"


def reading_order(files: Sequence[CarriedFile], entry_module: str) -> tuple[list[CarriedFile], list[str]]:
    """The files as a person would read them: modules from the entry downwards, then the others, then data.

    Modules that no import names go into the script too, for they may be imported by a name made at run time.

    Args:
        files: all that the script carries; the modules are valid Python.
        entry_module: where the reading starts.

    Returns:
        The files in order, and the paths of the modules that no import reaches.
    """
    by_path = {file.path: file for file in files}
    reached = [path for path in _discover(files, entry_module) if path in by_path]
    modules = [file.path for file in files if file.is_module and file.path not in reached]
    data = [file.path for file in files if not file.is_module]
    unreached = [path for path in modules if by_path[path].content.strip()]
    return [by_path[path] for path in [*reached, *modules, *data]], unreached


def _discover(files: Sequence[CarriedFile], entry_module: str) -> list[str]:
    """The paths that stickytape finds from an entry that stands in a folder of nothing but the package."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        for file in files:
            if file.is_module:
                (top / file.path).parent.mkdir(parents=True, exist_ok=True)
                # The text is UTF-8 by now; from the third line on, a comment on its encoding no longer counts.
                (top / file.path).write_bytes(b"\n\n" + file.content)
        entry = top / "__entry__.py"
        entry.write_text(f"import {entry_module}\n", encoding="utf-8")
        with warnings.catch_warnings(), _room_for_import_chains(len(files)):
            warnings.simplefilter("ignore")  # invalid escapes are reported by our own check of the syntax
            return list(_written_paths(stickytape.script(str(entry))))


def _written_paths(script: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == WRITER_NAME:
            yield str(ast.literal_eval(node.args[0]))


@contextmanager
def _room_for_import_chains(modules: int) -> Iterator[None]:
    """Room on the stack: stickytape follows imports by calling itself, a few calls for each module of a chain."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + 10 * modules)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
