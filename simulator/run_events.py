"""What the runtime noted in run.jsonl."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def read_events(path: Path) -> list[Event]:
    """The events, in order; empty where there is no log. A line cut short by a kill is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [event for line in lines if (event := _event(line)) is not None]


def named(events: Sequence[Event], name: str) -> list[Event]:
    """The events of one name."""
    return [event for event in events if event["event"] == name]


def number_of(event: Event, field: str) -> float:
    """A field that should be a number; 0 where it is missing or something else."""
    value = event.get(field, 0.0)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def failure_of(events: Sequence[Event]) -> str | None:
    """What ended the run from within, in one line; None where nothing did."""
    failed = named(events, "run_failed")
    return " ".join(str(failed[-1].get("reason", "no reason was noted")).split()) if failed else None


def _event(line: str) -> Event | None:
    try:
        event = json.loads(line)
        if "\\ud" in line:  # half a character, such as of a file's name that is no text, can be written nowhere
            event = json.loads(json.dumps(event, ensure_ascii=False).encode(errors="replace"))
    except ValueError:
        return None
    known = isinstance(event, dict) and isinstance(event.get("event"), str)
    return event if known and _is_moment(event.get("t_s")) else None


def _is_moment(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
