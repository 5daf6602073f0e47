"""What a call with --again is still to replace: a note on disk, by which it goes on after an interruption."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from train_offline.whole_files import write_whole


class Replacements:
    """The members that one call is to train anew; what is there of them stays until then.

    Args:
        folder: where the note is kept, as long as anything is left.
        call: what tells this call from others, such as those for other folds.
    """

    def __init__(self, folder: Path, call: str) -> None:
        self._path = folder / f"again-{hashlib.sha256(call.encode()).hexdigest()[:12]}.json"
        self._left: set[str] = set()

    def __contains__(self, name: object) -> bool:
        return name in self._left

    def go_on(self) -> bool:
        """Takes up what an interrupted call has left; returns whether there is any."""
        try:
            self._left = set(json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return False
        return bool(self._left)

    def add(self, names: Iterable[str]) -> None:
        """These are to be replaced, too.

        Raises:
            KernelError: it cannot be noted.
        """
        self._left.update(names)
        self._note()

    def done(self, name: str) -> None:
        """This one has been replaced.

        Raises:
            KernelError: it cannot be noted.
        """
        if name in self._left:
            self._left.remove(name)
            self._note()

    def _note(self) -> None:
        if self._left:
            write_whole(self._path, json.dumps(sorted(self._left)).encode())
        else:
            self._path.unlink(missing_ok=True)
