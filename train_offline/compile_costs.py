"""Remembers how long compiling took, beside the compiled code: where that was cleared away, so was the memory of it."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from kernel_src.errors import KernelError
from train_offline.whole_files import write_whole

COLD_S = 60.0
"""What is expected where nothing is remembered."""
WARM_SHARE = 0.25
"""What is expected of the second time, as a share of the first."""
_NAME = "hourglass-compile-costs.json"


def expected_s(key: str) -> float:
    """How long compiling will likely take.

    Args:
        key: names all that the compiled code depends on.
    """
    return float(_load().get(_short(key), COLD_S))


def note(key: str, took_s: float) -> None:
    """Remembers how long it took; where that cannot be written, the next time is guessed."""
    costs = _load()
    first = _short(key) not in costs
    costs[_short(key)] = took_s * WARM_SHARE if first else took_s
    with contextlib.suppress(KernelError, OSError):
        write_whole(_path(), json.dumps(costs).encode())


def _load() -> dict[str, Any]:
    try:
        costs = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return costs if isinstance(costs, dict) else {}


def _path() -> Path:
    from torch._inductor.runtime.cache_dir_utils import cache_dir  # noqa: PLC0415 - the compiler takes long to load

    return Path(cache_dir()) / _NAME


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
