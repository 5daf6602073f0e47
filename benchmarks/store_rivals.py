"""Where spectrograms may be kept: our store and its rivals, each as a dictionary with one key per spectrogram."""

import importlib
import importlib.util
import pickle
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import Manager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from kernel_src.disk_tier import PaceSettings
from kernel_src.events import EventLog
from kernel_src.memory import MemoryReader, memory_reader
from kernel_src.store import SpectrogramStore, StoreSettings

Array = NDArray[np.float16]
TB = 10**12


class Keeper(ExitStack):
    """What is measured of everyone. Leaving the context throws away what was kept."""

    def put(self, key: str, array: Array) -> None:
        """Keeps an array."""
        raise NotImplementedError

    def get(self, key: str) -> Array:
        """The array again."""
        raise NotImplementedError


@dataclass(frozen=True)
class Rival:
    """One of those that are measured side by side."""

    name: str
    """For the table."""
    on_disk: bool
    """Whether what it keeps lies on disk."""
    make: Callable[[Path], Keeper]
    """Opens it in an empty folder."""
    needs: str | None = None
    """A package that is not among the project's own."""

    def is_installed(self) -> bool:
        """Whether it can be measured here."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None


class FullMemory:
    """A reader that sees no room, so that everything goes to disk."""

    def used_bytes(self) -> int:
        """All of it."""
        return TB

    def limit_bytes(self) -> int:
        """The limit."""
        return TB


class Ours(Keeper):
    """The project's store, with all of it in memory or all of it on disk."""

    def __init__(self, folder: Path, reader: MemoryReader) -> None:
        super().__init__()
        settings = StoreSettings(TB, 0, TB, 0, pace=PaceSettings(least_bytes_per_s=0))
        events = EventLog(None, lambda: 0.0, self.enter_context((folder / "events").open("w", encoding="utf-8")))
        self.store = self.enter_context(SpectrogramStore(settings, reader, folder, events))

    def put(self, key: str, array: Array) -> None:
        """Into whichever tier the reader leaves open."""
        self.store.put(key, array)

    def get(self, key: str) -> Array:
        """From there."""
        found = self.store.get(key)
        assert found is not None
        return found


class ManagerDict(Keeper):
    """The silver solution's: a dictionary in another process, watched by a reader that sees the machine only."""

    def __init__(self, _: Path) -> None:
        super().__init__()
        self._shared = self.enter_context(Manager()).dict()

    def put(self, key: str, array: Array) -> None:
        """Asks for the machine's memory, then sends the array."""
        assert psutil.virtual_memory().percent < 95
        self._shared[key] = array

    def get(self, key: str) -> Array:
        """Has the array sent."""
        found: Array = self._shared[key]
        return found


class PickleFiles(Keeper):
    """The silver solution's other half: a pickle file for each array."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def put(self, key: str, array: Array) -> None:
        """Writes a file."""
        with (self._folder / f"{key}.pickle").open("wb") as file:
            pickle.dump(array, file)

    def get(self, key: str) -> Array:
        """Reads a file."""
        with (self._folder / f"{key}.pickle").open("rb") as file:
            found: Array = pickle.load(file)  # noqa: S301 -- it was written a moment ago
        return found


class Mapped(Keeper):
    """Anything that behaves like a dictionary."""

    def __init__(self, mapping: Any, pack: Callable[[Array], Any], unpack: Callable[[Any], Array]) -> None:
        super().__init__()
        self._mapping = mapping
        self._pack = pack
        self._unpack = unpack

    def put(self, key: str, array: Array) -> None:
        """Packs the array and keeps it."""
        self._mapping[key] = self._pack(array)

    def get(self, key: str) -> Array:
        """Fetches it and unpacks it."""
        return self._unpack(self._mapping[key])


class JoblibMemory(Keeper):
    """A function whose results joblib keeps on disk, by its first argument."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        memory = importlib.import_module("joblib").Memory(folder, verbose=0)
        self._cached = memory.cache(_second, ignore=["array"])

    def put(self, key: str, array: Array) -> None:
        """The first call with this key, which keeps what it returns."""
        self._cached(key, array)

    def get(self, key: str) -> Array:
        """The second call, which loads it."""
        found: Array = self._cached(key, None)
        return found


def _second(key: str, array: Array) -> Array:  # noqa: ARG001 -- joblib keeps the result under the key
    return array


def _disk_cache(folder: Path) -> Keeper:
    cache = importlib.import_module("diskcache").Cache(str(folder), eviction_policy="none", size_limit=TB)
    keeper = Mapped(cache, lambda array: array, lambda found: found)
    keeper.callback(cache.close)
    return keeper


def _zict_file(folder: Path) -> Keeper:
    def unpack(found: bytearray) -> Array:
        return np.frombuffer(found, np.float16).reshape(256, -1)

    files = importlib.import_module("zict").File(folder / "zict")
    return Mapped(files, lambda array: array.tobytes(), unpack)


def _plain_dict(_: Path) -> Keeper:
    return Mapped({}, lambda array: array.copy(), lambda found: found)


RIVALS = (
    Rival("ours, memory", False, lambda folder: Ours(folder, memory_reader())),
    Rival("plain dict with copies", False, _plain_dict),
    Rival("Manager dict (silver)", False, ManagerDict),
    Rival("ours, disk", True, lambda folder: Ours(folder, FullMemory())),
    Rival("pickle files (silver)", True, PickleFiles),
    Rival("joblib.Memory", True, JoblibMemory),
    Rival("zict.File", True, _zict_file, needs="zict"),
    Rival("diskcache", True, _disk_cache, needs="diskcache"),
)
