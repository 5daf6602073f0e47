"""A run's log: Kaggle gives a list of pieces with their times, people want text."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class KernelLog:
    """What a run said."""

    text: str
    """All of it, in order."""
    seconds_s: float | None
    """When the last piece was said, from the start of the run; None if the log does not tell."""


def read_log(raw: str) -> KernelLog:
    """A log as Kaggle gives it; what is no list of pieces is text already."""
    try:
        pieces = json.loads(raw)
        text = "".join(str(piece["data"]) for piece in pieces)
        seconds_s = max((float(piece["time"]) for piece in pieces), default=None)
    except (ValueError, TypeError, KeyError):
        return KernelLog(raw, None)
    return KernelLog(text, seconds_s)
