"""What a run is told from outside: the one place where the environment is read."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kernel_src.backend_names import BACKENDS, PLAIN
from kernel_src.errors import KernelError
from kernel_src.limits import KernelLimits, limits_from_table

OVERRIDES_VARIABLE = "HOURGLASS_OVERRIDES"
RERUN_VARIABLE = "KAGGLE_IS_COMPETITION_RERUN"


@dataclass(frozen=True)
class RunSettings:
    """Where a run finds its inputs, what it may use, and how it behaves."""

    limits: KernelLimits
    input_dir: Path = Path("/kaggle/input")
    """Competition and weights are mounted below it."""
    working_dir: Path = Path("/kaggle/working")
    """submission.csv and run.jsonl go here."""
    competition: str = ""
    """The competition's slug."""
    datasets: tuple[str, ...] = ()
    """Slugs, `owner/name`, of the data sets that may hold the weights."""
    is_rerun: bool = False
    """Whether this is the run on the hidden test set, where a failure costs everything."""
    passes: int | None = None
    """At most so many passes; None for as many as time allows."""
    seed: int = 0
    """Of everything random."""
    backend: str | None = None
    """How networks compute (one of `BACKENDS`); None for what a trial at the start finds the quickest."""
    batch_clips: int | None = None
    """Clips in a batch; None for what suits the device."""
    stop_early: bool = True
    """Whether to stop when further passes change nothing any more."""


def read_settings(
    kernel_toml: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str] = os.environ
) -> RunSettings:
    """The settings of this run from kernel.toml and `HOURGLASS_OVERRIDES`, a JSON object.

    Overrides may lower limits and never raise them: a rehearsal must not promise what the real run has not got.

    Raises:
        KernelError: an override is unknown or of the wrong kind, or kernel.toml's limits are unreadable.
    """
    is_rerun = bool(environment.get(RERUN_VARIABLE))
    kernel = kernel_toml.get("kernel", {})
    settings = RunSettings(
        limits=limits_from_table(kernel_toml.get("limits", {}), commit_run=not is_rerun),
        competition=kernel.get("competition", ""),
        datasets=tuple("/".join(source.split("/")[:2]) for source in kernel.get("datasets", ())),  # without a version
        is_rerun=is_rerun,
    )
    return _with_overrides(settings, _read_overrides(environment.get(OVERRIDES_VARIABLE) or "{}"))


_TOO_LARGE = 1 << 31
"""Of numbers that are neither bytes nor seconds."""

# The kinds of JSON value that each override takes; bool is an int in Python, so it is told apart by hand.
_KINDS: dict[str, tuple[type, ...]] = {
    "time_s": (int, float),
    "memory_bytes": (int,),
    "disk_bytes": (int,),
    "passes": (int,),
    "seed": (int,),
    "backend": (str,),
    "batch_clips": (int,),
    "stop_early": (bool,),
    "input_dir": (str,),
    "working_dir": (str,),
}


def _read_overrides(text: str) -> dict[str, Any]:
    try:
        overrides = json.loads(text)
    except ValueError as error:
        raise KernelError(f"{OVERRIDES_VARIABLE}: is not JSON ({error})") from error
    if not isinstance(overrides, dict):
        raise KernelError(f"{OVERRIDES_VARIABLE}: expected a JSON object, got {text[:40]}")
    for name, value in overrides.items():
        if name not in _KINDS:
            raise KernelError(f"{OVERRIDES_VARIABLE}: unknown {name!r}; known are {sorted(_KINDS)}")
        kinds = _KINDS[name]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise KernelError(f"{OVERRIDES_VARIABLE}: {name} is {value!r}, expected {kinds[0].__name__}")
    if overrides.get("backend", PLAIN) not in BACKENDS:
        raise KernelError(f"{OVERRIDES_VARIABLE}: backend is {overrides['backend']!r}, expected one of {BACKENDS}")
    for name, least in (("batch_clips", 1), ("seed", 0)):
        if not least <= overrides.get(name, least) < _TOO_LARGE:
            raise KernelError(
                f"{OVERRIDES_VARIABLE}: {name} is {overrides[name]}, expected {least} to {_TOO_LARGE - 1}"
            )
    if not math.isfinite(overrides.get("time_s", 0)):
        raise KernelError(f"{OVERRIDES_VARIABLE}: time_s is {overrides['time_s']}, expected seconds")
    return overrides


def _with_overrides(settings: RunSettings, overrides: Mapping[str, Any]) -> RunSettings:
    limits = settings.limits
    lowered = {
        name: min(overrides[name], getattr(limits, name))
        for name in ("time_s", "memory_bytes", "disk_bytes")
        if name in overrides
    }
    plain: dict[str, Any] = {name: value for name, value in overrides.items() if name not in lowered}
    for name in ("input_dir", "working_dir"):
        if name in plain:
            plain[name] = Path(plain[name])
    return replace(settings, limits=replace(limits, **lowered), **plain)
