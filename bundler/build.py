"""From a project to its bundle: the script, its metadata and an account of what is in it."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from bundler.checks import check_package, check_size
from bundler.discovery import reading_order
from bundler.errors import BundleError
from bundler.image import Image, read_image
from bundler.metadata import kernel_metadata, metadata_problems
from bundler.notebook import notebook_text
from bundler.project import KERNEL_TOML, Project
from bundler.script import LICENCE_FILES, script_parts
from bundler.sources import CarriedFile, idle_patterns, read_sources, sources_sha256

SCRIPT_NAME = "kernel.py"
NOTEBOOK_NAME = "kernel.ipynb"
METADATA_NAME = "kernel-metadata.json"
ACCOUNT_NAME = "bundle.json"


@dataclass(frozen=True)
class Bundle:
    """What leaves, complete and checked, still in memory."""

    outputs: Mapping[str, bytes]
    """The files of the bundle by name; `bundle.json`, which names all the others, is the last."""
    files: Sequence[CarriedFile]
    """What the script carries, in its order."""
    warnings: Sequence[str]
    """What may be meant so, one sentence each."""


def build(project: Project, *, notebook: bool = False) -> Bundle:
    """Makes the bundle of a project; writes nothing.

    The script and the metadata depend on the package, kernel.toml and the project's licence alone.

    Args:
        project: what is bundled.
        notebook: whether Kaggle gets the kernel as a notebook; the script is made all the same.

    Raises:
        BundleError: what would fail on Kaggle, or must not get there.
    """
    image = read_image()
    files = read_sources(project)
    remarks = [*idle_patterns(project), *check_package(project, files, image)]
    files, unreached = reading_order(files, project.kernel.entry_module)
    remarks += [f"{path}: no import names it; carried, for it may be imported by a made-up name" for path in unreached]
    outputs = {**_code(project, files, notebook=notebook), METADATA_NAME: _metadata(project, notebook=notebook)}
    for name, content in outputs.items():
        check_size(name, content, files)
    account = _account(project, files, outputs, image, remarks)
    return Bundle({**outputs, ACCOUNT_NAME: _json(account)}, files, remarks)


def _code(project: Project, files: Sequence[CarriedFile], *, notebook: bool) -> dict[str, bytes]:
    parts = script_parts(project, files)
    outputs = {SCRIPT_NAME: parts.script.encode()}
    compile(outputs[SCRIPT_NAME], SCRIPT_NAME, "exec", dont_inherit=True)
    if notebook:
        kernel = project.kernel
        outputs[NOTEBOOK_NAME] = notebook_text(parts, kernel.entry_module, kernel.entry_function).encode()
    return outputs


def _metadata(project: Project, *, notebook: bool) -> bytes:
    metadata = kernel_metadata(project.kernel, NOTEBOOK_NAME if notebook else SCRIPT_NAME)
    if problems := metadata_problems(metadata):
        raise BundleError([f"{KERNEL_TOML} [kernel]: {problem}" for problem in problems])
    return _json(metadata)


def _account(
    project: Project,
    files: Sequence[CarriedFile],
    outputs: Mapping[str, bytes],
    image: Image,
    remarks: Sequence[str],
) -> dict[str, Any]:
    """What bundle.json says; the commit and the versions stand here alone."""
    return {
        "schema": 1,
        "entry": project.kernel.entry,
        "sources_sha256": sources_sha256(files),
        "files": {
            file.path: {"module": file.module, "bytes": len(file.content), "sha256": file.sha256} for file in files
        },
        "outputs": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in outputs.items()
        },
        "image": {
            "source": image.source,
            "complete": image.complete,
            "python": image.python,
            "packages": image.versions,
            "names": image.names_source,
        },
        "warnings": list(remarks),
        "versions": {"python": platform.python_version(), "stickytape": version("stickytape")},
        "commit": _commit(project),
    }


def _commit(project: Project) -> str | None:
    """The commit of the sources, with "+" where they differ from it; None outside of git."""
    git = ["git", "-C", str(project.folder)]
    sources = [KERNEL_TOML, project.kernel.package, f"{project.kernel.package}.py", *LICENCE_FILES]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--", *sources], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+" if changes.stdout.strip() else commit


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
