"""Progress of long work: a bar with a rate on a terminal, a plain line now and then in a log."""

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

LINE_EVERY_S = 15.0


class Progress:
    """Counts work done; use it as a context manager.

    Args:
        what: what is being done, at most a few words; None to say nothing.
        total: how many units of work there are.
        unit: what a unit is called, in the singular.
    """

    def __init__(self, what: str | None, total: int, unit: str) -> None:
        self._what = what
        self._total = total
        self._unit = unit
        self._done = 0
        self._began_s = self._told_s = time.monotonic()
        disable = None if what else True  # None: only where there is no terminal
        self._bar = tqdm(desc=what, total=total, unit=f" {unit}", disable=disable, file=sys.stderr, leave=False)

    def advance(self, units: int = 1, note: str = "") -> None:
        """Notes that `units` more are done; `note` says what is worth knowing at this point."""
        self._done += units
        if not self._bar.disable:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(units)
        elif self._what and time.monotonic() - self._told_s > LINE_EVERY_S:
            self._told_s = time.monotonic()
            self._tell(note)

    def _tell(self, note: str) -> None:
        seconds_s = time.monotonic() - self._began_s
        rate = self._done / max(seconds_s, 1e-9)
        left_s = (self._total - self._done) / max(rate, 1e-9)
        parts = [f"{self._done} of {self._total} {self._unit}s", f"{rate:.1f}/s", f"{clock_text(left_s)} left", note]
        print(f"{self._what}: {', '.join(part for part in parts if part)}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if error is None and self._what:
            seconds_s = time.monotonic() - self._began_s
            count = f"{self._done} {self._unit}{'' if self._done == 1 else 's'}"
            print(f"{self._what}: {count} in {seconds_s:.1f} s", file=sys.stderr, flush=True)


def clock_text(seconds_s: float) -> str:
    """A duration as on a clock: 0:05, 12:34, 1:02:03."""
    minutes, seconds = divmod(round(seconds_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
