"""What the tests of the store and its tiers share: a reader that says what a test wants, events that are kept."""

import io
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kernel_src.disk_tier import PaceSettings
from kernel_src.events import EventLog
from kernel_src.file_systems import MEMORY_FILE_SYSTEMS, file_system_type
from kernel_src.store import StoreSettings

ANY_PACE = PaceSettings(least_bytes_per_s=0)
MB = 10**6


class FakeReader:
    def __init__(self, used: int = 0, limit: int | None = None) -> None:
        self.used = used
        self.limit = limit

    def used_bytes(self) -> int:
        return self.used

    def limit_bytes(self) -> int | None:
        return self.limit


class BrokenReader(FakeReader):
    def used_bytes(self) -> int:
        raise OSError(19, "No such device")


class RecordedEvents(EventLog):
    def __init__(self) -> None:
        super().__init__(None, lambda: 0.0, io.StringIO())
        self.seen: list[tuple[str, dict[str, object]]] = []

    def emit(self, event: str, message: str = "", **fields: object) -> None:
        super().emit(event, message, **fields)
        self.seen.append((event, fields))

    def names(self) -> list[str]:
        return [name for name, _ in self.seen]

    def counts(self) -> Counter[str]:
        return Counter(self.names())


class HandClock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def settings(
    limit: int = 100 * MB, reserve: int = 0, disk: int = 100 * MB, disk_reserve: int = 0, pace: PaceSettings = ANY_PACE
) -> StoreSettings:
    return StoreSettings(
        limit_bytes=limit,
        memory_reserve_bytes=reserve,
        disk_bytes=disk,
        disk_reserve_bytes=disk_reserve,
        pace=pace,
    )


def spectrogram(seed: int, frames: int = 40, mels: int = 64) -> NDArray[np.float16]:
    """[mels, frames] of all bit patterns, NaNs among them."""
    bits = np.random.default_rng(seed).integers(0, 1 << 16, (mels, frames), dtype=np.uint16)
    return bits.view(np.float16)


def same_bits(one: NDArray[np.float16] | None, other: NDArray[np.float16]) -> bool:
    return one is not None and one.shape == other.shape and one.tobytes() == other.tobytes()


@contextmanager
def folder_on_disk() -> Iterator[Path]:
    """An empty folder that is not in memory, as /tmp is on many systems."""
    usual = Path(tempfile.gettempdir())
    base = Path("/var/tmp") if file_system_type(usual) in MEMORY_FILE_SYSTEMS else usual
    with tempfile.TemporaryDirectory(dir=base) as folder:
        yield Path(folder)


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
