"""The store: a dict of spectrograms that never raises for want of room, with one contract in every tier."""

import errno
import gc
import os
import random
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from numpy.typing import NDArray
from store_fixtures import (
    MB,
    BrokenReader,
    FakeReader,
    RecordedEvents,
    folder_on_disk,
    open_descriptors,
    same_bits,
    settings,
    spectrogram,
)

from kernel_src.errors import KernelError
from kernel_src.memory import MemoryReader
from kernel_src.store import SpectrogramStore
from kernel_src.store_totals import Tier

FULL = FakeReader(used=100 * MB, limit=100 * MB)
EMPTY = FakeReader(limit=100 * MB)


@pytest.fixture
def disk_folder() -> Iterator[Path]:
    with folder_on_disk() as folder:
        yield folder


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


@contextmanager
def store_of(
    tier: Tier, folder: Path, events: RecordedEvents, reader: MemoryReader | None = None
) -> Iterator[SpectrogramStore]:
    """A store in which everything lands in one tier."""
    reader = reader or (EMPTY if tier is Tier.MEMORY else FULL)
    with SpectrogramStore(settings(), reader, folder if tier is Tier.DISK else None, events) as store:
        yield store


@pytest.fixture(params=list(Tier))
def tier(request: pytest.FixtureRequest) -> Tier:
    return Tier(request.param)


@pytest.fixture
def store(tier: Tier, disk_folder: Path, events: RecordedEvents) -> Iterator[SpectrogramStore]:
    with store_of(tier, disk_folder, events) as opened:
        yield opened


# The contract, for every tier.


def test_put_says_where_and_get_gives_the_same_bits_or_none(store: SpectrogramStore, tier: Tier) -> None:
    assert store.put("clip", spectrogram(1)) is tier
    if tier is Tier.NONE:
        assert store.get("clip") is None
    else:
        assert same_bits(store.get("clip"), spectrogram(1))


def test_what_was_never_put_is_not_stored(store: SpectrogramStore) -> None:
    assert store.get("clip") is None


def test_what_was_dropped_is_not_stored(store: SpectrogramStore) -> None:
    store.put("clip", spectrogram(1))
    store.drop("clip")
    store.drop("never put")
    assert store.get("clip") is None


def test_it_says_what_it_holds_without_fetching_it(store: SpectrogramStore, tier: Tier) -> None:
    store.put("clip", spectrogram(1))
    assert ("clip" in store) == (tier is not Tier.NONE)
    assert "other" not in store
    store.drop("clip")
    assert "clip" not in store


def test_a_second_put_replaces_the_first(store: SpectrogramStore, tier: Tier) -> None:
    store.put("clip", spectrogram(1))
    store.put("clip", spectrogram(2, frames=7))
    assert store.get("clip") is None if tier is Tier.NONE else same_bits(store.get("clip"), spectrogram(2, 7))


def test_the_store_keeps_its_own_copy(store: SpectrogramStore, tier: Tier) -> None:
    array = spectrogram(1)
    store.put("clip", array)
    array[...] = 0
    assert tier is Tier.NONE or same_bits(store.get("clip"), spectrogram(1))


def test_a_result_is_read_only(store: SpectrogramStore) -> None:
    store.put("clip", spectrogram(1))
    result = store.get("clip")
    assert result is None or not result.flags.writeable


@pytest.mark.parametrize("shape", [(256, 0), (1, 1), (256, 5000)])
def test_any_shape_comes_back(store: SpectrogramStore, tier: Tier, shape: tuple[int, int]) -> None:
    array = spectrogram(1, mels=shape[0], frames=shape[1])
    store.put("clip", array)
    assert tier is Tier.NONE or same_bits(store.get("clip"), array)


def test_a_result_outlives_drop_replacement_and_close(store: SpectrogramStore, tier: Tier) -> None:
    for seed in range(20):
        store.put(str(seed), spectrogram(seed))
    views = [store.get(str(seed)) for seed in range(20)]
    for seed in range(20):
        store.drop(str(seed))
        store.put(f"other {seed}", spectrogram(100 + seed))
    store.close()
    gc.collect()
    assert all(tier is Tier.NONE or same_bits(view, spectrogram(seed)) for seed, view in enumerate(views))


def test_after_close_nothing_is_stored_and_nothing_raises(store: SpectrogramStore) -> None:
    store.put("clip", spectrogram(1))
    store.close()
    store.close()
    assert store.put("clip", spectrogram(1)) is Tier.NONE
    assert store.get("clip") is None
    store.drop("clip")


def test_a_store_that_is_closed_during_a_put_keeps_nothing(
    store: SpectrogramStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = store._keep

    def close_meanwhile(array: NDArray[np.float16]) -> object:
        kept = keep(array)
        store.close()
        return kept

    monkeypatch.setattr(store, "_keep", close_meanwhile)
    assert store.put("clip", spectrogram(1)) is Tier.NONE
    assert store.get("clip") is None


def test_counts_follow_the_items(store: SpectrogramStore, tier: Tier) -> None:
    for seed in range(5):
        store.put(str(seed), spectrogram(seed))
    store.drop("0")
    store.get("1")
    totals = store.totals()
    here = {Tier.MEMORY: totals.memory, Tier.DISK: totals.disk, Tier.NONE: totals.none}[tier]
    size = spectrogram(1).nbytes
    stored = (0, 0, 0) if tier is Tier.NONE else (4, 4 * size, 5 * size)
    assert (here.items, here.item_bytes, here.peak_bytes) == stored
    assert (here.puts, here.gets) == (5, 1)


# What the tiers do together.


def test_a_get_from_memory_copies_nothing(disk_folder: Path, events: RecordedEvents) -> None:
    with store_of(Tier.MEMORY, disk_folder, events) as store:
        store.put("clip", spectrogram(1))
        one, other = store.get("clip"), store.get("clip")
        assert one is not None
        assert other is not None
        assert np.shares_memory(one, other)


def test_memory_fills_up_to_the_mark_and_the_rest_goes_to_disk(disk_folder: Path, events: RecordedEvents) -> None:
    reader = FakeReader(limit=1000 * spectrogram(1).nbytes)
    with SpectrogramStore(settings(reserve=0), reader, disk_folder, events) as store:
        tiers = []
        for seed in range(1000):
            tiers.append(store.put(str(seed), spectrogram(1)))
            reader.used = store.totals().memory.item_bytes
        assert tiers.count(Tier.MEMORY) == 949
        assert tiers[949:] == [Tier.DISK] * 51


def test_state_changes_are_told_once_each(disk_folder: Path, events: RecordedEvents) -> None:
    reader = FakeReader(limit=100 * MB)
    with SpectrogramStore(settings(disk=50_000), reader, disk_folder, events) as store:
        for used in (0, 0, 96, 96, 93, 93, 80, 80):
            reader.used = used * MB
            store.put(str(len(events.seen)), spectrogram(1))
        assert events.names() == ["spill_began", "spill_ended"]
        reader.used = 96 * MB
        for round_ in range(2):
            for seed in range(30):
                if store.get(f"{seed}") is None:
                    store.put(f"{seed}", spectrogram(seed))
            assert round_ == 0 or store.totals().recomputations > 0
    expected = ["spill_began", "spill_ended", "spill_began", "disk_full", "recomputing", "store_totals"]
    assert events.names() == expected


def test_the_last_event_says_where_the_spectrograms_lived(disk_folder: Path, events: RecordedEvents) -> None:
    with store_of(Tier.DISK, disk_folder, events) as store:
        store.put("one", spectrogram(1))
        store.get("one")
    name, fields = events.seen[-1]
    assert name == "store_totals"
    assert fields["disk_puts"] == fields["disk_gets"] == 1
    assert fields["disk_peak_bytes"] == spectrogram(1).nbytes
    assert fields["memory_puts"] == fields["not_stored"] == fields["recomputations"] == 0


def test_a_put_that_finds_no_room_forgets_the_older_value(events: RecordedEvents) -> None:
    reader = FakeReader(limit=100 * MB)
    with SpectrogramStore(settings(), reader, None, events) as store:
        store.put("clip", spectrogram(1))
        reader.used = 99 * MB
        assert store.put("clip", spectrogram(2)) is Tier.NONE
        assert store.get("clip") is None


def test_only_what_found_no_room_counts_as_computed_again(disk_folder: Path, events: RecordedEvents) -> None:
    with store_of(Tier.NONE, disk_folder, events) as store:
        for _ in range(3):
            store.put("needed again", spectrogram(1))
        store.put("dropped", spectrogram(1))
        store.drop("dropped")
        store.put("dropped", spectrogram(1))
        assert store.totals().recomputations == 2
    assert events.counts()["recomputing"] == 1


def test_what_the_disk_lost_is_computed_again(
    disk_folder: Path, events: RecordedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with store_of(Tier.DISK, disk_folder, events) as store:
        store.put("clip", spectrogram(1))
        monkeypatch.setattr(os, "preadv", broken)
        assert store.get("clip") is None
        store.put("clip", spectrogram(1))
        assert store.totals().recomputations == 1


def test_memory_that_cannot_be_read_counts_as_full(disk_folder: Path, events: RecordedEvents) -> None:
    with store_of(Tier.DISK, disk_folder, events, BrokenReader()) as store:
        assert [store.put(str(seed), spectrogram(seed)) for seed in range(3)] == [Tier.DISK] * 3
    assert events.names() == ["memory_unreadable", "store_totals"]


@pytest.mark.parametrize("error", [OSError(errno.ENOMEM, "Cannot allocate memory"), MemoryError()])
def test_without_address_space_the_disk_is_used_and_no_promise_stays(
    disk_folder: Path, events: RecordedEvents, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def no_copy(*_: object, **__: object) -> None:
        raise error

    with SpectrogramStore(settings(), EMPTY, disk_folder, events) as store:
        with monkeypatch.context() as patch:
            patch.setattr(store._slabs, "copy", no_copy)
            assert store.put("clip", spectrogram(1)) is Tier.DISK
        assert store._gate._promised_bytes == 0
        assert store.put("clip", spectrogram(1)) is Tier.MEMORY


def test_the_overshoot_is_at_most_one_item_per_thread(events: RecordedEvents) -> None:
    class SlowToSee(FakeReader):
        """Sees an item only when its copy is made, as the kernel does, and then at once."""

        def used_bytes(self) -> int:
            return stored.totals().memory.item_bytes

    item, threads = spectrogram(1, frames=4000), 16
    limit = 20 * item.nbytes
    with SpectrogramStore(settings(limit=limit), SlowToSee(), None, events) as stored:
        with ThreadPoolExecutor(threads) as pool:
            tiers = list(pool.map(lambda key: stored.put(str(key), item), range(200)))
        assert stored.totals().memory.item_bytes < 0.95 * limit + threads * item.nbytes
        assert tiers.count(Tier.MEMORY) >= 18


def test_marks_that_make_no_sense_are_refused() -> None:
    with pytest.raises(KernelError, match="must rise"):
        replace(settings(), spill_at=0.5)


class StoreIsADict(RuleBasedStateMachine):
    """Any sequence of calls, under any pressure: what `get` returns is the last put, or None if that had no room."""

    keys = st.integers(0, 5).map(str)

    @initialize()
    def open(self) -> None:
        self.reader = FakeReader(limit=100 * MB)
        self.cleanup = ExitStack()
        self.folder = self.cleanup.enter_context(folder_on_disk())
        self.store = SpectrogramStore(settings(disk=60_000), self.reader, self.folder, RecordedEvents())
        self.model: dict[str, tuple[Tier, NDArray[np.float16]]] = {}
        self.views: list[tuple[NDArray[np.float16], bytes]] = []

    @rule(share=st.sampled_from([0, 0.85, 0.92, 1.0]))
    def neighbours_use(self, share: float) -> None:
        self.reader.used = int(100 * MB * share)

    @rule(key=keys, seed=st.integers(0, 9), frames=st.integers(0, 90))
    def put(self, key: str, seed: int, frames: int) -> None:
        array = spectrogram(seed, frames)
        self.model[key] = (self.store.put(key, array), array)

    @rule(key=keys)
    def hold(self, key: str) -> None:
        result = self.store.get(key)
        if result is not None:
            self.views.append((result, result.tobytes()))

    @rule(key=keys)
    def drop(self, key: str) -> None:
        self.store.drop(key)
        self.model.pop(key, None)

    @invariant()
    def everything_is_as_it_should(self) -> None:
        for key in map(str, range(6)):
            tier, array = self.model.get(key, (Tier.NONE, spectrogram(0)))
            stored = self.store.get(key)
            assert stored is None if tier is Tier.NONE else same_bits(stored, array)
        assert all(view.tobytes() == bits for view, bits in self.views)
        totals = self.store.totals()
        stored_keys = sum(tier is not Tier.NONE for tier, _ in self.model.values())
        assert totals.memory.items + totals.disk.items == stored_keys
        assert totals.disk_claimed_bytes <= 60_000

    def teardown(self) -> None:
        self.store.close()
        self.cleanup.close()


TestStoreIsADict = StoreIsADict.TestCase
TestStoreIsADict.settings = hypothesis_settings(max_examples=30, stateful_step_count=30)


class Workload:
    """What one thread does: puts, gets and drops, each checked at once.

    Half of the keys have a lock of the test's own around each call, so that the answer is known exactly. The other
    half is raced for: there an answer must be one whole spectrogram that somebody put under that key.
    """

    KEYS = 60

    def __init__(self, store: SpectrogramStore) -> None:
        self.store = store
        self.model: dict[str, tuple[Tier, int]] = {}
        self.locks = {f"exact {number}": threading.Lock() for number in range(self.KEYS)}

    def run(self, thread: int, steps: int) -> None:
        chance = random.Random(thread)
        views: deque[tuple[NDArray[np.float16], int]] = deque(maxlen=20)
        for step in range(steps):
            version, number = thread * steps + step, chance.randrange(self.KEYS)
            if chance.random() < 0.5:
                key = f"exact {number}"
                with self.locks[key]:
                    self.act(chance, key, version, views)
            else:
                self.race(chance, number, version)
        assert all(is_version(view, version) for view, version in views)

    def act(self, chance: random.Random, key: str, version: int, views: deque[tuple[NDArray[np.float16], int]]) -> None:
        what = chance.random()
        if what < 0.4:
            self.model[key] = (self.store.put(key, versioned(version)), version)
        elif what < 0.5:
            self.store.drop(key)
            self.model.pop(key, None)
        else:
            tier, last = self.model.get(key, (Tier.NONE, 0))
            found = self.store.get(key)
            assert (found is None) == (tier is Tier.NONE)
            if found is not None:
                assert is_version(found, last)
                views.append((found, last))

    def race(self, chance: random.Random, number: int, version: int) -> None:
        key, what = f"raced {number}", chance.random()
        version = number + self.KEYS * version  # so that the key can be told from the content
        if what < 0.4:
            self.store.put(key, versioned(version))
        elif what < 0.5:
            self.store.drop(key)
        else:
            found = self.store.get(key)
            assert found is None or (is_whole(found) and version_of(found) % self.KEYS == number)


def versioned(version: int) -> NDArray[np.float16]:
    """One number over and over, in a size of its own."""
    return np.full(300 + 200 * (version % 11), version, np.uint32).view(np.float16)


def version_of(array: NDArray[np.float16]) -> int:
    return int(array.view(np.uint32)[0])


def is_whole(array: NDArray[np.float16]) -> bool:
    return bool((array.view(np.uint32) == version_of(array)).all())


def is_version(array: NDArray[np.float16], version: int) -> bool:
    return is_whole(array) and version_of(array) == version


class BreathingReader(FakeReader):
    """Memory that fills and empties again and again, so that all tiers see traffic."""

    def used_bytes(self) -> int:
        self.used = (self.used + 37_000) % (110 * MB)
        return self.used


def run_workload(folder: Path, events: RecordedEvents, steps: int) -> None:
    threads, descriptors = 16, open_descriptors()
    reader = BreathingReader(limit=100 * MB)
    with SpectrogramStore(settings(disk=300_000), reader, folder, events) as store:
        work = Workload(store)
        with ThreadPoolExecutor(threads) as pool:
            for future in [pool.submit(work.run, thread, steps // threads) for thread in range(threads)]:
                future.result()
        for key in work.locks:
            tier, version = work.model.get(key, (Tier.NONE, 0))
            found = store.get(key)
            assert found is None if tier is Tier.NONE else found is not None and is_version(found, version)
        totals = store.totals()
        assert min(totals.memory.puts, totals.disk.puts, totals.none.puts, totals.disk.gets) > steps / 1000
        assert store._gate._promised_bytes == 0
    gc.collect()
    assert open_descriptors() == descriptors
    assert "spill_failed" not in events.names()


def test_sixteen_threads_see_what_a_dict_would_show(disk_folder: Path, events: RecordedEvents) -> None:
    before = threading.active_count()
    run_workload(disk_folder, events, steps=100_000)
    assert threading.active_count() == before
