"""Clips of Freesound Audio Tagging 2019 that are known to be bad; they are left out of training by default."""

from collections.abc import Iterable
from pathlib import PurePath

WRONG_LABELS = frozenset({"f76181c4", "77b925c2", "6a1f682a", "c7db12aa", "7752cc8a"})
"""Curated clips whose labels are wrong, by the name of the file without its ending."""

NO_SIGNAL = frozenset(
    {
        *("1d44b0bd", "02f274b2", "08b34136", "1af3bd88", "1fd4f275", "2f503375", "3496256e", "551a4b3b"),
        *("5a5761c9", "6d062e59", "769d131d", "8c712129", "988cf8f2", "9f4fa2df", "b1d2590c", "be273a3c"),
        *("d527dcf0", "e4faa2e1", "fa659a71", "fba392d8"),
    }
)
"""Clips, the first of them curated and the others noisy, in which nothing can be heard."""

KNOWN_BAD = WRONG_LABELS | NO_SIGNAL


def known_bad_among(fnames: Iterable[str]) -> list[str]:
    """The file names that are known to be bad, in their order."""
    return [fname for fname in fnames if PurePath(fname).stem in KNOWN_BAD]
