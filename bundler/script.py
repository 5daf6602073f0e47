"""The script's text: a header, the loader, the package's files as they were written, and the call of the entry."""

import base64
import codecs
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bundler.project import Project
from bundler.sources import CarriedFile, sources_sha256

LOADER_PATH = Path(__file__).with_name("loader.py")
LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
HEADER_WIDTH = 100
HEADING_WIDTH = 64
UNFIT_FOR_RAW_STRING = re.compile(r"([\\']*(?:'''|[\r\x00\ud800-\udfff])[\\'\r\x00\ud800-\udfff]*|[\\']+\Z)")
CODING = re.compile(r"coding(?=[:=])")
NOT_READABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class ScriptParts:
    """The parts of the script, in their order."""

    header: str
    """What it is and how to read it, in comment lines."""
    loader: str
    """The code that serves the files to `import`."""
    files: str
    """The files, each under its heading."""
    start: str
    """The call of the entry."""

    @property
    def script(self) -> str:
        """The whole."""
        return f"{self.header}\n\n{self.loader}\n\n{self.files}\n\n{self.start}"


def script_parts(project: Project, files: Sequence[CarriedFile]) -> ScriptParts:
    """The script that carries the files, in their order, and runs the project's entry."""
    kernel = project.kernel
    return ScriptParts(
        header=_header(project, files),
        loader=f"{_heading('The loader')}\n{loader_text()}",
        files=_carried(files),
        start=f"{_heading('The start')}\n{_call(kernel.entry_module, kernel.entry_function)}",
    )


def _heading(text: str) -> str:
    return f"# ===== {text} ".ljust(HEADING_WIDTH, "=")


@cache
def loader_text() -> str:
    """The text of the loader, a module of its own that stands at the top of each script."""
    return LOADER_PATH.read_text(encoding="utf-8")


def _header(project: Project, files: Sequence[CarriedFile]) -> str:
    kernel = project.kernel
    paths = [file.path.removeprefix(f"{kernel.package}/") for file in files]
    lines = [
        " ".join(kernel.title.split()),
        "",
        f"One script, made of the package {kernel.package} and kernel.toml by `python bundle.py`. To change it, change",
        "the package and run that again. Here it can be read, searched and, for a trial, patched (without",
        "three quotes in a row): each file of the package stands below as it was written, in a string under a",
        "heading with its name, from which `import` takes it; tracebacks name the file and the line in it.",
        "",
        f"Sources: {len(files)} files, sha256 {sources_sha256(files)}",
        *_licence(project.folder),
        "",
        *textwrap.wrap(f"In this order: {', '.join(paths)}", HEADER_WIDTH, break_on_hyphens=False),
    ]
    return "\n".join(map(_comment, lines))


def _comment(line: str) -> str:
    """A line of the header. Python must not take "coding: audio" in a title for the encoding of the script."""
    printable = "".join(character if character.isprintable() else "?" for character in line)
    return f"# {CODING.sub('coding ', printable)}".rstrip()


def _licence(folder: Path) -> list[str]:
    """The licence's name and its copyright lines, as they stand in the project's licence file."""
    path = next((folder / name for name in LICENCE_FILES if (folder / name).is_file()), None)
    if path is None:
        return []
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    lines = [line.strip() for line in content.decode(encoding, errors="replace").splitlines()]
    name = next((line for line in lines if line), "")
    owners = [line for line in lines if line.lower().startswith("copyright (c)") and line != name]
    return [f"Licence: {'. '.join([name, *owners[:3]])}"]


def _carried(files: Sequence[CarriedFile]) -> str:
    root = 'CarriedFiles(os.path.abspath(globals().get("__file__", "<kernel>")))'
    pieces = [f"carried = {root}\n", *(_carried_file(file) for file in files), "carried.install()"]
    return "\n".join(pieces)


def _carried_file(file: CarriedFile) -> str:
    text = _readable_text(file)
    if text is not None:
        call = f"carried.add({file.path!r}, {literal(chr(10) + text)})"
    else:
        call = f"carried.add_base64({file.path!r}, '''\n{base64.encodebytes(file.content).decode()}''')"
    heading = _heading(f"{file.module or 'data'}: {file.path}")
    return f"{heading}\n{call}\n"


def _readable_text(file: CarriedFile) -> str | None:
    """The file's text, or None where it is none that a person could read or Python's strings would change."""
    try:
        text = file.content.decode()
    except UnicodeDecodeError:
        return None
    return text if file.is_module or not NOT_READABLE.search(text) else None


def literal(text: str) -> str:
    """A Python expression for the text in which the text itself stands unchanged, wherever that is possible.

    Only triple single quotes, a quote or backslash at the end, and carriage returns stand outside of the raw string.
    """
    pieces = UNFIT_FOR_RAW_STRING.split(text)
    written = [f"r'''{piece}'''" if index % 2 == 0 else repr(piece) for index, piece in enumerate(pieces) if piece]
    return " ".join(written) or "''"


def _call(module: str, function: str) -> str:
    return f'if __name__ == "__main__":\n    from {module} import {function}\n\n    sys.exit({function}())\n'
