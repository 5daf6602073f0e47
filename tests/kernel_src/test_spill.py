"""The spill file: one file without a name, claimed before it is written, checked when it is read."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from store_fixtures import MB, folder_on_disk, open_descriptors, same_bits, spectrogram

from kernel_src import spill
from kernel_src.extents import whole_blocks
from kernel_src.file_systems import file_system_type
from kernel_src.spill import (
    BLOCK_BYTES,
    SpillDamagedError,
    SpilledArray,
    SpillFile,
    SpillFullError,
    SpillRefusedError,
    SpillSettings,
    checksum,
)


@pytest.fixture
def disk_folder() -> Iterator[Path]:
    with folder_on_disk() as folder:
        yield folder


def spill_file(folder: Path, quota: int = 100 * MB, reserve: int = 0, chunk: int = MB) -> SpillFile:
    return SpillFile(folder, SpillSettings(quota, reserve, chunk))


@pytest.mark.parametrize("frames", [0, 1, 31, 640])
def test_an_array_comes_back_with_the_same_bits(disk_folder: Path, frames: int) -> None:
    file, array = spill_file(disk_folder), spectrogram(1, frames)
    assert same_bits(file.read(file.write(array)), array)


def test_an_array_that_is_not_contiguous_comes_back_as_it_looked(disk_folder: Path) -> None:
    file, array = spill_file(disk_folder), spectrogram(1)[::2, ::-3].T
    assert same_bits(file.read(file.write(array)), np.ascontiguousarray(array))


def test_the_file_has_no_name_and_ends_with_its_last_reference(disk_folder: Path) -> None:
    before = open_descriptors()
    file = spill_file(disk_folder)
    file.write(spectrogram(1))
    assert list(disk_folder.iterdir()) == []
    del file
    assert open_descriptors() == before


def test_a_killed_process_leaves_nothing_behind(disk_folder: Path) -> None:
    code = (
        "import os, sys, pathlib, numpy as np; from kernel_src.spill import SpillFile, SpillSettings\n"
        "file = SpillFile(pathlib.Path(sys.argv[1]), SpillSettings(10**8, 0))\n"
        "file.write(np.zeros((64, 64), np.float16)); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(disk_folder)], check=False).returncode == -9
    assert list(disk_folder.iterdir()) == []


def test_the_quota_counts_the_blocks_of_all_files_and_keeps_the_reserve(disk_folder: Path) -> None:
    (disk_folder / "below").mkdir()
    (disk_folder / "below/other").write_bytes(bytes(3 * MB))
    file = spill_file(disk_folder, quota=10 * MB, reserve=2 * MB)
    kept: list[SpilledArray] = []
    with pytest.raises(SpillFullError, match="free for the submission"):
        kept.extend(map(file.write, (spectrogram(seed, 640) for seed in range(1000))))
    assert 4.8 * MB < file.claimed_bytes() <= 5 * MB
    assert all(same_bits(file.read(handle), spectrogram(seed, 640)) for seed, handle in enumerate(kept))


def test_the_disk_itself_keeps_the_reserve_too(disk_folder: Path) -> None:
    disk = os.statvfs(disk_folder)
    with pytest.raises(SpillFullError):
        spill_file(disk_folder, quota=10**15, reserve=disk.f_bavail * disk.f_frsize).write(spectrogram(1))


def test_blocks_of_forgotten_arrays_are_used_again(disk_folder: Path) -> None:
    file = spill_file(disk_folder)
    first = file.write(spectrogram(1, 640))
    claimed = file.claimed_bytes()
    for seed in range(100):
        first = file.write(spectrogram(seed, 640))
        assert same_bits(file.read(first), spectrogram(seed, 640))
    assert file.claimed_bytes() == claimed


def test_the_disk_begins_with_each_chunk_when_it_is_full(disk_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(spill, "_begin_writeback", lambda _, start, size: sent.append((start, size)))
    file = spill_file(disk_folder, chunk=MB)
    kept = [file.write(spectrogram(seed, 640)) for seed in range(60)]
    ends = [start + size for start, size in sent]
    assert [start for start, _ in sent] == [0, *ends[:-1]]
    assert ends[-1] == whole_blocks(MB) * (len(sent) - 1) > 0
    assert len(kept) == 60


def test_a_system_without_that_call_spills_all_the_same(disk_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "_LIBC", object())
    file = spill_file(disk_folder, chunk=100_000)
    kept = [file.write(spectrogram(seed, 640)) for seed in range(9)]
    assert all(same_bits(file.read(handle), spectrogram(seed, 640)) for seed, handle in enumerate(kept))


def test_short_writes_and_reads_are_taken_up_again(disk_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite, preadv = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:1000], at))
    monkeypatch.setattr(os, "preadv", lambda fd, buffers, at: preadv(fd, [buffers[0][:1000]], at))
    file = spill_file(disk_folder)
    assert same_bits(file.read(file.write(spectrogram(1))), spectrogram(1))


def test_a_disk_that_takes_no_byte_is_an_error_and_no_endless_loop(
    disk_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: 0)
    with pytest.raises(OSError, match="no more bytes"):
        spill_file(disk_folder).write(spectrogram(1))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_refused_claim_means_full_and_keeps_no_blocks(
    disk_folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    fallocate = os.posix_fallocate

    def half(fd: int, start: int, size: int) -> None:
        fallocate(fd, start, size // 2)
        raise OSError(number, os.strerror(number))

    file = spill_file(disk_folder)
    monkeypatch.setattr(os, "posix_fallocate", half)
    with pytest.raises(SpillFullError):
        file.write(spectrogram(1, 640))
    assert file.claimed_bytes() == 0


def test_when_a_chunk_does_not_fit_only_what_is_needed_is_claimed(disk_folder: Path) -> None:
    file = spill_file(disk_folder, quota=10**6, chunk=64 * MB)
    handle = file.write(spectrogram(1))
    assert same_bits(file.read(handle), spectrogram(1))
    assert file.claimed_bytes() < MB / 2


def test_a_failed_write_frees_its_blocks(disk_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = spill_file(disk_folder, quota=600_000)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", broken)
        for _ in range(20):
            with pytest.raises(OSError, match="Input/output"):
                file.write(spectrogram(1, 640))
    assert same_bits(file.read(file.write(spectrogram(1, 640))), spectrogram(1, 640))


@given(where=st.integers(0, 2 * 64 * 40 - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_is_noticed(where: int, bit: int) -> None:
    with folder_on_disk() as folder:
        file = spill_file(folder)
    handle = file.write(spectrogram(1))
    byte = os.pread(file._descriptor, 1, handle.start + where)[0]
    os.pwrite(file._descriptor, bytes([byte ^ (1 << bit)]), handle.start + where)
    with pytest.raises(SpillDamagedError, match="wrong checksum"):
        file.read(handle)


def test_a_file_that_was_cut_is_noticed(disk_folder: Path) -> None:
    file = spill_file(disk_folder)
    handle = file.write(spectrogram(1))
    os.ftruncate(file._descriptor, 100)
    with pytest.raises(SpillDamagedError, match="ends at byte"):
        file.read(handle)


@pytest.mark.parametrize("change", [lambda a: a[::-1], lambda a: np.roll(a, 1), lambda a: a * np.float16(0)])
def test_the_checksum_sees_blocks_that_moved_or_vanished(
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    blocks = np.random.default_rng(1).integers(1, 1000, (3, BLOCK_BYTES // 2)).astype(np.float16)
    assert checksum(np.ascontiguousarray(change(blocks))) != checksum(blocks)


def test_a_folder_in_memory_is_refused() -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or file_system_type(shm) != "tmpfs":
        pytest.skip("needs a /dev/shm on tmpfs")
    with pytest.raises(SpillRefusedError, match="tmpfs, whose files count as memory"):
        spill_file(shm)


def test_a_folder_that_is_not_there_is_an_os_error(disk_folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spill_file(disk_folder / "missing")


@hypothesis_settings(max_examples=40)
@given(steps=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200), st.booleans()), max_size=40))
def test_it_is_a_dict_that_may_be_full(steps: list[tuple[int, int, bool]]) -> None:
    with folder_on_disk() as folder:
        file = spill_file(folder, quota=150_000, chunk=30_000)
    kept: dict[int, tuple[SpilledArray, np.ndarray]] = {}
    for key, frames, drops in steps:
        kept.pop(key, None)
        if not drops:
            array = spectrogram(frames, frames)
            with suppress(SpillFullError):
                kept[key] = (file.write(array), array)
        assert all(same_bits(file.read(handle), array) for handle, array in kept.values())
        assert file.claimed_bytes() <= 150_000
