"""The spectrogram store: memory until 95 % of the limit, then disk, then "compute it again".

One process, many threads, an index and a lock. Nothing here raises because memory or the disk is full or broken:
a spectrogram that finds no room is "not stored", and whoever needs it computes it again.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kernel_src.disk_tier import DiskTier, PaceSettings
from kernel_src.errors import KernelError
from kernel_src.events import EventLog
from kernel_src.memory import MemoryReader
from kernel_src.memory_gate import Admission, Change, MemoryGate
from kernel_src.slabs import Slabs
from kernel_src.spill import SpilledArray, SpillSettings
from kernel_src.store_totals import StoreTally, StoreTotals, Tier


@dataclass(frozen=True)
class StoreSettings:
    """How much memory and disk the store may use."""

    limit_bytes: int
    """The memory of the process and its children; a lesser limit of the cgroup or the machine goes first."""
    memory_reserve_bytes: int
    """Kept free for the work still to come: the network and its batches."""
    disk_bytes: int
    """The quota: blocks of all files in the spill folder together."""
    disk_reserve_bytes: int
    """Kept free of the quota, and of the disk, for the submission and the event log."""

    spill_at: float = 0.95
    """The share of the memory limit above which spectrograms go to disk."""
    resume_at: float = 0.90
    """The share below which they go to memory again."""

    pace: PaceSettings = field(default_factory=PaceSettings)
    """When the disk is slower than computing anew."""

    def __post_init__(self) -> None:
        if not 0 < self.resume_at <= self.spill_at <= 1:
            raise KernelError(
                f"store: resume_at {self.resume_at} and spill_at {self.spill_at} must rise from above 0 to at most 1"
            )


@dataclass(frozen=True)
class _Entry:
    """One spectrogram of the index. What it keeps frees its room when the last reference goes, not before."""

    tier: Tier
    nbytes: int
    kept: NDArray[np.float16] | SpilledArray


class SpectrogramStore:
    """Keeps `[mels, frames]` float16 spectrograms by key; safe to use from many threads.

    Args:
        settings: limits, reserves and marks.
        reader: how much memory is in use, of how much.
        spill_folder: where the spill file is made, on a disk; None: nowhere, only memory.
        events: told of each change of state, once, and of the totals at the end.
        clock: seconds, monotonic; a slow disk is judged by it.
    """

    def __init__(
        self,
        settings: StoreSettings,
        reader: MemoryReader,
        spill_folder: Path | None,
        events: EventLog,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate = MemoryGate(
            reader,
            settings.limit_bytes,
            settings.memory_reserve_bytes,
            settings.spill_at,
            settings.resume_at,
        )
        self._slabs = Slabs()
        spill = SpillSettings(settings.disk_bytes, settings.disk_reserve_bytes)
        self._disk = DiskTier(spill_folder, spill, settings.pace, events, clock)
        self._events = events
        self._lock = threading.Lock()
        self._index: dict[str, _Entry] = {}
        self._homeless: set[str] = set()
        self._tally = StoreTally()
        self._memory_tally = self._tally.tiers[Tier.MEMORY]
        self._memory_unreadable = False
        self._closed = False

    def put(self, key: str, spectrogram: NDArray[np.float16]) -> Tier:
        """Stores a copy, in place of what the key had, and says where; `Tier.NONE`: the key has nothing now.

        Args:
            key: any name, such as a clip's together with its frontend's.
            spectrogram: float16, any shape; after PCEN, for mel power does not fit into float16.
        """
        assert spectrogram.dtype == np.float16, spectrogram.dtype
        kept = self._keep(spectrogram)
        with self._lock:
            if self._closed:
                kept = None
            replaced = self._remove(key)
            tier, recomputed_first = self._insert(key, spectrogram.nbytes, kept)
        del replaced  # outside the lock: giving memory back takes a while
        if recomputed_first:
            self._events.emit("recomputing", "what found no room is computed again from here on", first_key=key)
        return tier

    def get(self, key: str) -> NDArray[np.float16] | None:
        """The spectrogram, read-only: a view without a copy, or a fresh array from disk; None: not stored.

        A view stays what it is after `drop` and `close`; its memory goes back when the last view is gone.
        """
        with self._lock:
            entry = self._index.get(key)
            if entry is not None and isinstance(entry.kept, np.ndarray):
                self._memory_tally.gets += 1
                return entry.kept.view()
        return self._get_from_disk(key, entry)

    def __contains__(self, key: str) -> bool:
        """Whether a spectrogram is stored; only fetching it shows whether the disk can read it."""
        return key in self._index

    def drop(self, key: str) -> None:
        """Forgets a spectrogram that is needed no more; its room is free once nobody looks at it."""
        with self._lock:
            # Held until the lock is open again: giving memory back takes a while.
            dropped = self._remove(key)
            self._homeless.discard(key)
        del dropped

    def totals(self) -> StoreTotals:
        """What is where, and what happened so far."""
        claimed_bytes = self._disk.claimed_bytes()  # before the lock, as all that asks the disk
        with self._lock:
            return self._tally.totals(claimed_bytes)

    def sync(self) -> None:
        """Returns when all that was spilled has reached the disk (what a benchmark measures)."""
        self._disk.sync()

    def close(self) -> None:
        """Forgets everything and tells the totals. Later puts are not stored; views that live go on living."""
        claimed_bytes = self._disk.claimed_bytes()
        with self._lock:
            if self._closed:
                return
            self._closed = True
            totals = self._tally.totals(claimed_bytes)
            kept = [self._remove(key) for key in list(self._index)]
        self._disk.close()
        kept.clear()
        self._events.emit("store_totals", totals.sentence(), **totals.as_fields())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, spectrogram: NDArray[np.float16]) -> NDArray[np.float16] | SpilledArray | None:
        if self._closed:
            return None
        copy = self._copy_to_memory(spectrogram)
        return copy if copy is not None else self._disk.put(spectrogram)

    def _copy_to_memory(self, spectrogram: NDArray[np.float16]) -> NDArray[np.float16] | None:
        try:
            admission = self._gate.enter(spectrogram.nbytes)
        except OSError as error:
            self._tell_unreadable(error)
            return None
        self._tell_change(admission)
        if not admission.granted:
            return None
        try:
            return self._slabs.copy(spectrogram, huge_pages=admission.roomy)
        except (OSError, MemoryError):  # no address space, as under RLIMIT_AS: the disk has room perhaps
            return None
        finally:
            self._gate.leave(spectrogram.nbytes)

    def _insert(self, key: str, nbytes: int, kept: NDArray[np.float16] | SpilledArray | None) -> tuple[Tier, bool]:
        """Puts into the index what was kept; also says whether the run's first recomputation ended with it."""
        again = key in self._homeless
        self._tally.recomputations += again
        if kept is None:
            self._homeless.add(key)
            self._tally.tiers[Tier.NONE].puts += 1
            return Tier.NONE, again and self._tally.recomputations == 1
        tier = Tier.MEMORY if isinstance(kept, np.ndarray) else Tier.DISK
        self._homeless.discard(key)
        self._index[key] = _Entry(tier, nbytes, kept)
        self._tally.tiers[tier].add(nbytes)
        return tier, again and self._tally.recomputations == 1

    def _remove(self, key: str) -> _Entry | None:
        entry = self._index.pop(key, None)
        if entry is not None:
            self._tally.tiers[entry.tier].remove(entry.nbytes)
        return entry

    def _get_from_disk(self, key: str, entry: _Entry | None) -> NDArray[np.float16] | None:
        array = None
        if entry is not None and isinstance(entry.kept, SpilledArray):
            array = self._disk.get(entry.kept)
        with self._lock:
            self._tally.tiers[Tier.NONE if array is None else Tier.DISK].gets += 1
            if array is None and entry is not None and not self._closed:
                self._homeless.add(key)
        if array is not None:
            array.flags.writeable = False
        return array

    def _tell_change(self, admission: Admission) -> None:
        if admission.change is None:
            return
        used, limit = admission.used_bytes, admission.limit_bytes
        where = "to disk" if admission.change is Change.SPILL_BEGAN else "to memory again"
        message = f"{used / 1e9:.2f} of {limit / 1e9:.2f} GB of memory are in use: spectrograms go {where}"
        self._events.emit(admission.change.value, message, used_bytes=used, limit_bytes=limit)

    def _tell_unreadable(self, error: OSError) -> None:
        with self._lock:
            told, self._memory_unreadable = self._memory_unreadable, True
        if not told:
            self._events.emit("memory_unreadable", f"{error}: spectrograms go to disk", reason=str(error))
