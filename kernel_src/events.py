"""What happened in a run: a readable line on stdout and a JSON line in run.jsonl for each event.

Stdout is all that a kernel's page shows; run.jsonl is what the simulator draws from.
"""

import contextlib
import json
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

GOODBYE_S = 0.5
"""How long the end of the log waits for a disk that stalls."""


class EventLog:
    """Writes events; safe to use from several threads, and never a reason for a run to fail.

    Args:
        path: the file that gets one JSON object a line (`t_s`, `event`, then the event's own fields);
            None for stdout only.
        elapsed_s: the clock, in seconds since the start of the process.
        out: the stream for people; stdout where none is given.
    """

    def __init__(self, path: Path | None, elapsed_s: Callable[[], float], out: IO[str] | None = None) -> None:
        self._elapsed_s = elapsed_s
        self._out = out or sys.stdout
        self._lock = threading.Lock()
        self._has_ended = False
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._file: IO[str] | None = None
        if path is not None:
            try:
                self._file = path.open("a", encoding="utf-8")
            except OSError as error:  # a full or read-only disk must not end the run
                self._say(f"the event log {path} cannot be written: {error}")

    def write_aside(self) -> None:
        """From here on a thread writes the file, so that a disk that stalls holds up nobody who tells of an event.

        Best called after all forks: until then the thread that tells writes itself.
        """
        self._thread = threading.Thread(target=self._write_lines, name="event-log", daemon=True)
        self._thread.start()

    def emit(self, event: str, message: str = "", **fields: object) -> None:
        """Notes that `event` happened now.

        Args:
            event: a short name such as `clip_failed`; underscores join words.
            message: the sentence for people; made from the fields where it is empty.
            fields: what the drawing and the tests read; JSON values, units in the names.
        """
        self._tell(event, message, fields, is_last=False)

    def emit_last(self, event: str, message: str, **fields: object) -> None:
        """The same for an event after which nothing is noted any more, whatever other threads still do.

        It returns when all is written, so on a disk that stalls it may not.
        """
        self._tell(event, message, fields, is_last=True)
        self._end_thread(None)

    def _tell(self, event: str, message: str, fields: Mapping[str, object], *, is_last: bool) -> None:
        t_s = round(self._elapsed_s(), 3)
        text = message or ", ".join(f"{name} {value}" for name, value in fields.items())
        line = json.dumps({"t_s": t_s, "event": event, **fields}, default=str)
        with self._lock:
            if self._has_ended:
                return
            self._has_ended = is_last
            self._say(f"{t_s:8.1f} s  {event.replace('_', ' ')}: {text}")
            if self._thread is None:
                self._write(line)
            else:
                self._lines.put(line)

    def _write_lines(self) -> None:
        while (line := self._lines.get()) is not None:
            self._write(line)

    def _end_thread(self, patience_s: float | None) -> bool:
        """Has the thread write what there is, and end; whether it has."""
        if self._thread is None:
            return True
        self._lines.put(None)
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a stdout that is closed, or on a full disk
            print(text, file=self._out, flush=True)

    def _write(self, line: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            self._file = None
            self._say(f"the event log ends here: {error}")

    def close(self) -> None:
        """Closes run.jsonl; later events still reach stdout."""
        if not self._end_thread(GOODBYE_S):
            return  # it would wait for the same disk
        with self._lock:
            self._thread = None
            if self._file is not None:
                self._file.close()
                self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
