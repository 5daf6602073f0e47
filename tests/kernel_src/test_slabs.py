"""Copies in slabs: read-only, alive as long as anything looks at them, their memory given back at once after."""

import gc
import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from store_fixtures import MB, same_bits, spectrogram

from kernel_src import slabs as slabs_module
from kernel_src.extents import BLOCK_BYTES
from kernel_src.slabs import HUGE_PAGE_BYTES, Slabs


def resident_bytes() -> int:
    return psutil.Process().memory_info().rss


@pytest.mark.parametrize("shape", [(64, 40), (256, 0), (1, 1), (3, 5, 7), ()])
def test_a_copy_has_the_same_bits_and_cannot_be_written(shape: tuple[int, ...]) -> None:
    original = np.full(shape, 0.5, np.float16)
    copy = Slabs().copy(original)
    original[...] = 0.25
    assert (copy == 0.5).all()
    assert copy.shape == shape
    with pytest.raises(ValueError, match="WRITEABLE"):
        copy.flags.writeable = True


def test_an_array_that_is_not_contiguous_is_copied_as_it_looks() -> None:
    original = spectrogram(1)[::2, ::-3].T
    assert same_bits(Slabs().copy(original), np.ascontiguousarray(original))


def test_an_array_larger_than_a_slab_gets_its_own() -> None:
    pool = Slabs(slab_bytes=HUGE_PAGE_BYTES)
    large = spectrogram(2, frames=40_000)
    assert large.nbytes > 2 * HUGE_PAGE_BYTES
    assert same_bits(pool.copy(large), large)


@pytest.mark.parametrize(
    "look",
    [
        lambda copy: copy[3:, ::2].T,
        lambda copy: copy.reshape(-1).view(np.uint16),
        memoryview,
        lambda copy: np.lib.stride_tricks.as_strided(copy, (2, 2), (2, 2)),
        lambda copy: np.asarray(memoryview(copy.view(np.uint16))),
    ],
)
def test_whatever_looks_at_a_copy_keeps_its_memory(look: Callable[[NDArray[np.float16]], object]) -> None:
    pool = Slabs(slab_bytes=HUGE_PAGE_BYTES)
    view = look(pool.copy(spectrogram(3)))
    before = bytes(view)  # type: ignore[call-overload]
    others = [pool.copy(spectrogram(seed)) for seed in range(4, 40)]
    del pool
    gc.collect()
    assert bytes(view) == before  # type: ignore[call-overload]
    assert same_bits(others[0], spectrogram(4))


def test_a_freed_range_is_used_again() -> None:
    pool = Slabs(slab_bytes=HUGE_PAGE_BYTES)
    first = pool.copy(spectrogram(5)).ctypes.data
    assert pool.copy(spectrogram(6)).ctypes.data == first


@pytest.mark.parametrize("huge_pages", [False, True])
def test_memory_goes_back_at_once_even_between_neighbours(huge_pages: bool) -> None:
    pool, original = Slabs(), spectrogram(7, frames=2560)  # 80 blocks each, not a divisor of a huge page
    before = resident_bytes()
    copies = {key: pool.copy(original, huge_pages=huge_pages) for key in range(100)}
    full = resident_bytes() - before
    assert full > 30 * MB
    for key in range(0, 100, 2):
        del copies[key]
    assert resident_bytes() - before < 0.6 * full
    assert all(same_bits(copy, original) for copy in copies.values())
    copies.clear()
    assert resident_bytes() - before < 0.1 * full


def test_small_pages_take_no_more_than_asked_for() -> None:
    pool, before = Slabs(), resident_bytes()
    copies = [pool.copy(spectrogram(8, frames=80)) for _ in range(5)]
    assert resident_bytes() - before < HUGE_PAGE_BYTES
    del copies


def test_no_address_space_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_mapping(*_: object, **__: object) -> mmap.mmap:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(slabs_module.mmap, "mmap", no_mapping)
    with pytest.raises(OSError, match="Cannot allocate"):
        Slabs().copy(spectrogram(9))


def test_a_kernel_that_takes_no_advice_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MADV_HUGEPAGE", "MADV_NOHUGEPAGE", "MADV_FREE"):
        monkeypatch.setattr(mmap, name, 9999)
    pool = Slabs()
    copies = [pool.copy(spectrogram(seed), huge_pages=True) for seed in range(9)]
    del copies[::2]
    again = [pool.copy(spectrogram(seed)) for seed in range(9)]
    assert all(same_bits(copy, spectrogram(seed)) for seed, copy in enumerate(again))


def test_many_copies_stay_far_below_the_systems_limit_on_mappings() -> None:
    pool = Slabs()
    copies = {key: pool.copy(spectrogram(0, frames=64), huge_pages=True) for key in range(4000)}
    for key in range(0, 4000, 2):
        del copies[key]
    assert len(Path("/proc/self/maps").read_text().splitlines()) < 5000


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5), st.booleans(), st.booleans()), max_size=60))
def test_no_range_is_used_again_under_a_view(steps: list[tuple[int, int, bool, bool]]) -> None:
    pool = Slabs(slab_bytes=HUGE_PAGE_BYTES)
    live: dict[int, tuple[NDArray[np.float16], int]] = {}
    for count, (slot, size, drops, huge) in enumerate(steps):
        live.pop(slot, None)
        if not drops:
            shape = (size * BLOCK_BYTES * 30 + 1,)
            live[slot] = (pool.copy(np.full(shape, count, np.float16), huge_pages=huge)[:], count)
        for view, number in live.values():
            assert (view == number).all()


def test_the_address_of_a_slab_starts_on_a_huge_page() -> None:
    copy = Slabs().copy(spectrogram(1))
    assert copy.ctypes.data % HUGE_PAGE_BYTES == 0
