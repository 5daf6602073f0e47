"""What a failure of the client means, in one line: what was tried, what came back, what to do."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from train_offline.progress import clock_text

SETTINGS_PAGE = "https://www.kaggle.com/settings/api"
TOO_MANY = 429
LONGEST_WORDS = 300
LONG_S = 600.0
"""A pause that nobody would call some minutes."""
AGAIN = "run this again"
BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


@dataclass(frozen=True)
class Call:
    """One thing that is asked of Kaggle, with what its refusals mean."""

    doing: str
    """What is being done, to begin the line with: "reading the data set me/weights"."""
    not_found: str = "there is no such thing; look at the names in kernel.toml"
    """What a 404 means, and what to do."""
    forbidden: str = "your account may not do this; is it the owner that kernel.toml names?"
    """What a 403 means, and what to do."""
    repeatable: bool = True
    """Whether it may be done twice: then it is tried again where it is unknown whether it was done."""
    in_doubt: str = ""
    """What to do where it is unknown whether it was done, and it may not be done twice."""


def is_passing(error: requests.RequestException, call: Call) -> bool:
    """Whether the same call may well succeed a little later, and does no harm then."""
    status = status_of(error)
    if status == TOO_MANY:
        return True
    broken = isinstance(error, BROKEN)
    return call.repeatable and (broken or status >= 500)


def status_of(error: requests.RequestException) -> int:
    """The HTTP status, which may stand in the answer alone; 0 where there was no answer at all."""
    if error.response is None:
        return 0
    code = _answer(error.response).get("code")
    return code if error.response.status_code < 400 and isinstance(code, int) else error.response.status_code


def asked_pause_s(response: requests.Response | None) -> float | None:
    """The pause that Kaggle asks for, in seconds, if it asks for one."""
    value = response.headers.get("Retry-After", "") if response is not None else ""
    try:
        return max(0.0, float(value))
    except ValueError:
        return None if not value else _seconds_until(value)


def _seconds_until(date: str) -> float | None:
    try:
        return max(0.0, (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def describe(error: Exception, call: Call, tries: int = 1, again: str = AGAIN) -> str:
    """The line about a failed call.

    Args:
        error: what came of it.
        call: what was asked.
        tries: how often.
        again: what to do once the fault has passed.
    """
    often = f" after {tries} tries" if tries > 1 else ""
    return f"{call.doing} failed{often}: {_reason(error, call, again)}"


def _reason(error: Exception, call: Call, again: str) -> str:
    if not isinstance(error, requests.RequestException):
        advice = "is the kaggle package the tested one?" if call.repeatable else call.in_doubt
        return f"Kaggle's answer cannot be read ({type(error).__name__}: {error}); {advice}"
    if error.response is not None and (status := status_of(error)) >= 400:
        return _refusal(status, error.response, call, again)
    if isinstance(error, requests.Timeout):
        return f"Kaggle did not answer in time; {_later(call, again)}"
    if isinstance(error, BROKEN):
        return f"the connection to Kaggle broke; {_later(call, again)}"
    return f"Kaggle's answer cannot be read ({type(error).__name__}); {_later(call, again)}"


def _refusal(status: int, response: requests.Response, call: Call, again: str) -> str:
    said = _said(response)
    known = {
        401: f"Kaggle does not accept your credentials (401); make new ones at {SETTINGS_PAGE}",
        403: f"{call.forbidden} (403{said})",
        404: f"{call.not_found} (404{said})",
        TOO_MANY: f"Kaggle allows no more calls for now ({TOO_MANY}); wait {_wait_text(response)}, then {again}",
    }
    if status >= 500:
        return f"Kaggle has a fault of its own ({status}{said}); {_later(call, again)}"
    return known.get(status, f"Kaggle refused it ({status}{said})")


def _later(call: Call, again: str) -> str:
    if call.in_doubt and not call.repeatable:
        return call.in_doubt
    return f"check your network and https://status.kaggle.com, then {again}"


def _wait_text(response: requests.Response) -> str:
    pause_s = asked_pause_s(response) or 0.0
    return clock_text(pause_s) if math.isfinite(pause_s) and pause_s >= LONG_S else "some minutes"


def _said(response: requests.Response) -> str:
    """Kaggle's own words, if it gave some."""
    message = _answer(response).get("message")
    return f", {' '.join(str(message).split())[:LONGEST_WORDS]}" if message else ""


def _answer(response: requests.Response) -> dict[str, Any]:
    try:
        answer = json.loads(response.text)
    except (ValueError, requests.RequestException, RuntimeError):
        return {}
    return answer if isinstance(answer, dict) else {}
