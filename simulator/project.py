"""What a script kernel says about itself: kernel.toml of its project, or Kaggle's kernel-metadata.json."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_src.errors import KernelError
from kernel_src.limits import KernelLimits, limits_from_table

FALLBACK_LIMITS = {"time": "1h", "memory": "14GB", "disk": "5GB"}


@dataclass(frozen=True)
class Project:
    """The names and limits of one kernel."""

    competition: str | None
    """The competition's slug; None where the kernel names none."""
    datasets: tuple[str, ...]
    """Its data sets, each `owner/slug`, in order."""
    limits: Mapping[str, str | float]
    """The `[limits]` table."""
    gpu: bool = False
    """Whether it asks for a GPU."""

    def kernel_limits(self, *, rerun: bool) -> KernelLimits:
        """The limits of the hidden re-run or of the run on commit."""
        return limits_from_table(self.limits, commit_run=not rerun)


def read_project(script: Path) -> Project:
    """The project of a script: from kernel.toml beside it or one folder up, else from kernel-metadata.json beside it.

    A script with neither is a kernel without inputs, under an hour, 14 GB and 5 GB.

    Raises:
        KernelError: one of the files cannot be read.
    """
    for toml in (script.parent / "kernel.toml", script.parent.parent / "kernel.toml"):
        if toml.is_file():
            return _from_kernel_toml(toml)
    metadata = script.parent / "kernel-metadata.json"
    if metadata.is_file():
        return _from_kernel_metadata(metadata)
    return Project(competition=None, datasets=(), limits=FALLBACK_LIMITS)


def _from_kernel_toml(path: Path) -> Project:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise KernelError(f"{path} is no TOML: {error}") from error
    kernel, limits = (_table(tables.get(name, {}), f"{path} [{name}]") for name in ("kernel", "limits"))
    datasets = _names(kernel.get("datasets", []), f"{path} [kernel] datasets")
    if "limits" not in tables:  # misspelt, perhaps: others than the usual ones must not pass unnoticed
        raise KernelError(f'{path} has no table [limits]; add it with time = "1h", memory = "14GB" and disk = "5GB"')
    return Project(
        competition=kernel.get("competition") or None,
        datasets=datasets,
        limits={**FALLBACK_LIMITS, **limits},
        gpu=bool(kernel.get("gpu", False)),
    )


def _from_kernel_metadata(path: Path) -> Project:
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise KernelError(f"{path} is no JSON: {error}") from error
    fields = _table(metadata, str(path))
    competitions = _names(fields.get("competition_sources") or [], f"{path}: competition_sources")
    return Project(
        competition=competitions[0] if competitions else None,
        datasets=_names(fields.get("dataset_sources") or [], f"{path}: dataset_sources"),
        limits=FALLBACK_LIMITS,
        gpu=str(fields.get("enable_gpu", False)).lower() == "true",
    )


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KernelError(f"{where}: expected a table of names and values, got {value!r}")
    return value


def _names(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise KernelError(f'{where}: expected a list of texts, such as ["owner/slug"], got {value!r}')
    return tuple(value)
