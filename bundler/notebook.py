"""The kernel as a notebook of four cells, for competitions that want one."""

import json
from typing import Any

from bundler.script import ScriptParts


def notebook_text(parts: ScriptParts, entry_module: str, entry_function: str) -> str:
    """The notebook's JSON: what it is, the loader, the files, the start; the same for the same parts."""
    start = (
        f"from {entry_module} import {entry_function}\n\n"
        f"if exit_code := {entry_function}():  # a notebook ends well by reaching its end\n"
        "    sys.exit(exit_code)\n"
    )
    about = "\n".join(line.removeprefix("#").removeprefix(" ") for line in parts.header.splitlines())
    cells = [_cell("about", about), *map(_cell, ("loader", "files", "start"), (parts.loader, parts.files, start))]
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(name: str, source: str) -> dict[str, Any]:
    lines = source.rstrip("\n").splitlines(keepends=True)
    if name == "about":
        return {"cell_type": "markdown", "id": name, "metadata": {}, "source": lines}
    return {
        "cell_type": "code", "execution_count": None, "id": name, "metadata": {}, "outputs": [], "source": lines
    }  # fmt: skip
