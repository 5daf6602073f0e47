"""Whether a folder holds the bundle that its project would make now, and if not, what differs."""

import ast
import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bundler.build import ACCOUNT_NAME, METADATA_NAME, NOTEBOOK_NAME, SCRIPT_NAME, Bundle
from bundler.loader import CarriedFiles

NOT_COMPARED = {"commit", "versions"}
MAX_SHOWN = 60


def differences(bundle: Bundle, folder: Path) -> list[str]:
    """What the folder has otherwise than the bundle, one sentence each; empty if it is up to date.

    The commit and the versions in bundle.json may differ: the same sources may have been bundled in another commit.
    """
    found: list[str] = []
    for name, new in bundle.outputs.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif (old := path.read_bytes()) != new:
            compare = _COMPARISONS.get(name, _any_difference)
            found += [f"{name}: {difference}" for difference in compare(old, new)]
    return found


def holds_notebook(folder: Path) -> bool:
    """Whether the bundle in a folder has a notebook, by its own account: another kernel.ipynb is none of ours."""
    try:
        return NOTEBOOK_NAME in json.loads((folder / ACCOUNT_NAME).read_bytes())["outputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _any_difference(old: bytes, new: bytes) -> Iterator[str]:
    yield f"{len(old):,} bytes, {len(new):,} if it were made now"


def _script_differences(old: bytes, new: bytes) -> Iterator[str]:
    there, now = carried_texts(old), carried_texts(new)
    if there is None or now is None:
        yield "it is no script that the bundler made"
        return
    changed = [path for path in {**there, **now} if there.get(path) != now.get(path)]
    for path in changed:
        if path not in there:
            yield f"{path} is not in it yet"
        elif path not in now:
            yield f"{path} is still in it"
        else:
            yield f"{path} has {_changed_lines(there[path], now[path])} other lines"
    if not changed:
        yield "its header, its loader, its start or the order of its files"


def _changed_lines(old: str, new: str) -> int:
    lines = list(difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), n=0))
    changed = [line[0] for line in lines[2:]]  # the first two name the files
    return max(changed.count(sign) for sign in "+-")


def carried_texts(script: bytes) -> dict[str, str] | None:
    """The files that a script carries, by path, in text or base64 as it has them; None if it is no such script."""
    adding = {CarriedFiles.add.__name__, CarriedFiles.add_base64.__name__}
    texts: dict[str, str] = {}
    try:
        for statement in ast.parse(script).body:
            call = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in adding:
                path, text = map(ast.literal_eval, call.args)
                texts[path] = text
    except (SyntaxError, ValueError):
        return None
    return texts or None


def _json_differences(old: bytes, new: bytes) -> Iterator[str]:
    try:
        there, now = json.loads(old), json.loads(new)
    except ValueError:
        yield "it is no JSON"
        return
    if not isinstance(there, dict):
        yield "it is no JSON object"
        return
    for key in {**there, **now}:
        before, after = _shown(there, key), _shown(now, key)
        if key not in NOT_COMPARED and before != after:
            longest = max(len(before), len(after))
            yield f"{key} {before}, {after} if it were made now" if longest <= MAX_SHOWN else f"{key} is another"


def _shown(values: Mapping[str, Any], key: str) -> str:
    """A value as JSON has it, for there 1 is not true, and null is not nothing."""
    return json.dumps(values[key], ensure_ascii=False, sort_keys=True) if key in values else "nothing"


_COMPARISONS = {SCRIPT_NAME: _script_differences, METADATA_NAME: _json_differences, ACCOUNT_NAME: _json_differences}
