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
        return KernelLog(_whole_characters(raw), None)
    return KernelLog(_whole_characters(text), seconds_s)


def _whole_characters(text: str) -> str:
    """The text with the halves of a character put together that was cut between two pieces; a lone half is replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
