"""Where a training stands, on disk, so that it can go on after anything."""

import io
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from kernel_src.errors import KernelError
from train_offline.whole_files import write_whole


class Checkpoint:
    """One file that always holds a whole state: the newest that could be written.

    Args:
        path: the file.
        identity: what training this is; the state of another one is refused.
        every_s: how often `save_now_and_then` writes.
        clock: seconds; a parameter for tests.
    """

    def __init__(
        self, path: Path, identity: str, every_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._identity = identity
        self._every_s = every_s
        self._clock = clock
        self._saved_s = clock()

    def load(self) -> dict[str, Any] | None:
        """The state, on the CPU; None if there is none.

        Raises:
            KernelError: the file is damaged, or is the state of another training.
        """
        if not self._path.exists():
            return None
        try:
            content = torch.load(self._path, map_location="cpu", weights_only=True)
            identity, state = content["identity"], dict(content["state"])
        except Exception as error:  # what else is in such a file raises almost anything
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise KernelError(f"{self._path}: cannot be read ({reason}); delete it to begin this stage anew") from error
        if identity != self._identity:
            raise KernelError(
                f"{self._path}: is from a training with other settings;"
                " choose another --out, or replace it with --again"
            )
        return state

    def save_now_and_then(self, state: Callable[[], Mapping[str, Any]]) -> None:
        """Saves if the last time is long enough ago."""
        if self._clock() - self._saved_s >= self._every_s:
            self.save(state())

    def save(self, state: Mapping[str, Any]) -> None:
        """Writes the state beside the old one and then takes its place; where that fails, the old one stays."""
        buffer = io.BytesIO()
        torch.save({"identity": self._identity, "state": dict(state)}, buffer)
        try:
            write_whole(self._path, buffer.getvalue())
        except KernelError as error:
            print(f"{error}; the training goes on", file=sys.stderr)
        self._saved_s = self._clock()

    def remove(self) -> None:
        """Forgets the state."""
        self._path.unlink(missing_ok=True)
