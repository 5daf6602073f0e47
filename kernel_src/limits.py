"""The limits that a kernel runs under, and the words for them that kernel.toml uses."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from kernel_src.errors import KernelError

Value = TypeVar("Value", int, float)

SECONDS_PER_UNIT = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
BYTES_PER_UNIT = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True)
class KernelLimits:
    """What a kernel may use, and how much of it is kept free for the end."""

    time_s: float
    """Wall-clock seconds from the start of the process to its end."""
    memory_bytes: int
    """Memory of the process and its children together."""
    disk_bytes: int
    """Blocks on disk in the working folder."""

    time_reserve_s: float = 10.0
    """How long the whole process may stand still at the very end; what writes cost is measured and comes on top."""
    memory_reserve_bytes: int = 10**9
    """Kept free by the spectrogram store for the network and its batches."""
    disk_reserve_bytes: int = 50 * 10**6
    """Kept free by the spectrogram store for the submission and the event log."""


def parse_duration_s(text: str | float) -> float:
    """Seconds from "90m", "1h", "60s" or a plain number of seconds.

    Raises:
        KernelError: the text is no duration above zero.
    """
    return _parse(text, SECONDS_PER_UNIT, default_unit="s", example='"1h", "90m" or "60s"')


def parse_bytes(text: str | float) -> int:
    """Bytes from "14GB" or "500MB"; 1 GB is 10^9 bytes. A plain number is refused: who writes 14 does not mean bytes.

    Raises:
        KernelError: the text is no size above zero.
    """
    return int(_parse(text, BYTES_PER_UNIT, default_unit="", example='"14GB" or "500MB"'))


def limits_from_table(table: Mapping[str, str | float], *, commit_run: bool = False) -> KernelLimits:
    """The `[limits]` table of kernel.toml as limits.

    Args:
        table: `time`, `memory`, `disk`, and where given `commit_time` and the three reserves.
        commit_run: whether this is the run on commit, to which `commit_time` applies.

    Raises:
        KernelError: a limit is missing, unknown or unreadable.
    """
    known = {"time", "commit_time", "memory", "disk", "time_reserve", "memory_reserve", "disk_reserve"}
    if unknown := sorted(set(table) - known):
        raise KernelError(f"kernel.toml [limits]: unknown {unknown}; known are {sorted(known)}")
    if missing := sorted({"time", "memory", "disk"} - set(table)):
        raise KernelError(f'kernel.toml [limits]: {missing} missing; add for example time = "1h"')
    time_s = _read(table, "time", parse_duration_s, 0.0)
    # Read on each run: what cannot be read must not first fail in the re-run.
    commit_time_s = _read(table, "commit_time", parse_duration_s, time_s)
    defaults = KernelLimits
    return KernelLimits(
        time_s=commit_time_s if commit_run else time_s,
        memory_bytes=_read(table, "memory", parse_bytes, 0),
        disk_bytes=_read(table, "disk", parse_bytes, 0),
        time_reserve_s=_read(table, "time_reserve", parse_duration_s, defaults.time_reserve_s),
        memory_reserve_bytes=_read(table, "memory_reserve", parse_bytes, defaults.memory_reserve_bytes),
        disk_reserve_bytes=_read(table, "disk_reserve", parse_bytes, defaults.disk_reserve_bytes),
    )


def _read(table: Mapping[str, str | float], key: str, parse: Callable[[str | float], Value], default: Value) -> Value:
    """One limit, or its default; what cannot be read is told with its name."""
    try:
        return parse(table[key]) if key in table else default
    except KernelError as error:
        raise KernelError(f"kernel.toml [limits] {key}: {error}") from None


def _parse(text: str | float, units: Mapping[str, float], *, default_unit: str, example: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(text))
    unit = (match[2] or default_unit) if match else ""
    value = float(match[1]) * units[unit] if match and unit in units else 0.0
    if value <= 0:
        raise KernelError(f"cannot read {text!r}: expected a number with one of {list(units)}, such as {example}")
    return value
