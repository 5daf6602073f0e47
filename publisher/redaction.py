"""Takes secrets out of texts before they are shown: keys and tokens, and addresses that carry a signature."""

import re
from collections.abc import Iterable

from bundler.leaks import PATTERNS

HIDDEN = "(hidden)"
MIN_SECRET_LENGTH = 6
SIGNED = re.compile(r"(?P<address>(?:https?://|/)[^\s\"'?]*)\?[^\s\"']+")
HEADER = re.compile(r"(?i)\b(authorization:?\s*)(?:basic|bearer)\s+\S+")


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without the secrets, without the query part of addresses, and without what looks like a key.

    Args:
        text: what is to be shown.
        secrets: values that must not be in it.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = HEADER.sub(rf"\g<1>{HIDDEN}", text)
    text = SIGNED.sub(rf"\g<address>?{HIDDEN}", text)
    for what, pattern in PATTERNS.items():
        if "path" not in what:
            text = pattern.sub(HIDDEN, text)
    return text


def leaks_in(content: bytes, secrets: Iterable[str]) -> list[str]:
    """What in a file must not leave this machine: names of the kinds of secrets, never the secrets themselves."""
    text = content.decode("utf-8", errors="replace")
    found = ["your own Kaggle key"] if holds_secret(content, secrets) else []
    return found + [what for what, pattern in PATTERNS.items() if pattern.search(text)]


def holds_secret(content: bytes, secrets: Iterable[str]) -> bool:
    """Whether one of the secrets stands in a file."""
    return any(secret.encode() in content for secret in secrets)
