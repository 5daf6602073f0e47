"""The epochs of a training as TensorBoard files: `tensorboard --logdir weights/training/tensorboard`."""

import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event

BOARDS_NAME = "tensorboard"
SCALARS = ("loss", "learning_rate", "val_lwlrap", "clips_per_s")
"""What is drawn of an epoch."""


class EpochBoard:
    """The TensorBoard file of one network's training; a file that cannot be written is said once and costs no training.

    Args:
        folder: for this network alone; made when the first epoch comes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: EventsWriter | None = None
        self._failed = False

    def restart(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Begins with these epochs; what there was is forgotten."""
        self._close()
        shutil.rmtree(self._folder, ignore_errors=True)
        for entry in entries:
            self.add(entry)

    def add(self, entry: Mapping[str, Any]) -> None:
        """Adds an epoch, which can be seen at once."""
        if self._failed:
            return
        try:
            writer = self._writer = self._writer or self._open()
            for name in (name for name in SCALARS if name in entry):
                shown = summary.scalar(name, entry[name])
                writer.write_event(Event(wall_time=time.time(), step=entry["epoch"], summary=shown))
            writer.flush()
        except OSError as error:
            self._failed = True
            print(f"{self._folder}: cannot be written ({error.strerror}); the training goes on", file=sys.stderr)

    def _open(self) -> EventsWriter:
        self._folder.mkdir(parents=True, exist_ok=True)
        return EventsWriter(str(self._folder / "events"))

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError, ValueError):  # a disk that is full was said already, and its file may be closed
                writer.close()

    def __del__(self) -> None:
        """All is flushed already: this only gives the file back."""
        self._close()
