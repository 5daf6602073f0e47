"""Other ways to make one file out of a package, to compare the bundler with."""

import base64
import gzip
import json
import shutil
import tomllib
import zipapp
from collections.abc import Callable, Mapping
from pathlib import Path

import stickytape

START = """import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""
UNPACKER = '''"""The template that is common on Kaggle: unpack the package, then run it in another process."""
import base64, gzip, os, sys
from pathlib import Path

FILES = {files}

for name, encoded in FILES.items():
    path = Path(name)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(gzip.decompress(base64.b64decode(encoded)))


def run(command):
    os.system("export PYTHONPATH=${{PYTHONPATH}}:" + os.getcwd() + " && " + command)


run(sys.executable + " -m {module}")
'''


def _entry(project: Path) -> tuple[str, str]:
    kernel = tomllib.loads((project / "kernel.toml").read_text(encoding="utf-8"))["kernel"]
    module, _, function = kernel["entry"].partition(":")
    return module, function


def _package_files(project: Path) -> list[Path]:
    return [path for path in sorted(project.glob("app/**/*")) if path.is_file()]


def stickytape_alone(project: Path, out: Path) -> Path:
    """What `stickytape` writes for a script of three lines, or for the entry where it is a script itself."""
    module, function = _entry(project)
    entry = project / f"{module.replace('.', '/')}.py"
    if "__main__" not in entry.read_text(encoding="utf-8"):
        entry = project / "start.py"
        entry.write_text(START.format(module=module, function=function), encoding="utf-8")
    script = out / "kernel.py"
    script.write_text(stickytape.script(str(entry), add_python_paths=[str(project)]), encoding="utf-8")
    return script


def base64_template(project: Path, out: Path) -> Path:
    """A script that writes the package to the disk and runs it there through the shell."""
    module, function = _entry(project)
    files = {
        str(path.relative_to(project)): base64.b64encode(gzip.compress(path.read_bytes())).decode()
        for path in _package_files(project)
    }
    start = START.format(module=module, function=function).encode()
    files["start.py"] = base64.b64encode(gzip.compress(start)).decode()
    script = out / "kernel.py"
    script.write_text(UNPACKER.format(files=json.dumps(files, indent=1), module="start"), encoding="utf-8")
    return script


def zip_application(project: Path, out: Path) -> Path:
    """The standard library's zipapp."""
    module, function = _entry(project)
    source = out / "zipped"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(project / "app", source / "app")
    script = out / "kernel.pyz"
    zipapp.create_archive(source, script, main=f"{module}:{function}")
    return script


RIVALS: Mapping[str, Callable[[Path, Path], Path]] = {
    "stickytape": stickytape_alone,
    "base64": base64_template,
    "zipapp": zip_application,
}
