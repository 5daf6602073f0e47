"""The environment that the kaggle client reads; the one place where it is touched."""

import os

SHOWS_KEYS = ("VERBOSE", "VERBOSE_OUTPUT")


def quiet_environment() -> None:
    """Takes away the settings that would make the client print each request with the key in it."""
    for name in SHOWS_KEYS:
        os.environ.pop(name, None)
