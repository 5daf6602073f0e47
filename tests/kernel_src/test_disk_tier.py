"""The disk tier: whatever the disk does, the answer is an array or None, and each trouble is told once."""

import errno
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_fixtures import (
    ANY_PACE,
    MB,
    HandClock,
    RecordedEvents,
    folder_on_disk,
    open_descriptors,
    same_bits,
    spectrogram,
)

from kernel_src.disk_tier import DiskTier, PaceSettings
from kernel_src.spill import SpillSettings


def tier(folder: Path | None, events: RecordedEvents, quota: int = 100 * MB, **options: object) -> DiskTier:
    pace = options.pop("pace", ANY_PACE)
    return DiskTier(folder, SpillSettings(quota, 0, MB), pace, events, **options)  # type: ignore[arg-type]


def failing(number: int) -> Callable[..., int]:
    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


@pytest.fixture
def disk_folder() -> Iterator[Path]:
    with folder_on_disk() as folder:
        yield folder


@pytest.fixture
def events() -> RecordedEvents:
    return RecordedEvents()


def test_no_file_is_made_before_it_is_needed(disk_folder: Path, events: RecordedEvents) -> None:
    before = open_descriptors()
    disk = tier(disk_folder, events)
    assert open_descriptors() == before
    disk.put(spectrogram(1))
    assert open_descriptors() == before + 1
    disk.close()
    assert open_descriptors() == before


def test_without_a_folder_it_takes_nothing(events: RecordedEvents) -> None:
    assert tier(None, events).put(spectrogram(1)) is None


def test_a_full_disk_is_told_once_and_takes_arrays_again_after_a_drop(
    disk_folder: Path, events: RecordedEvents
) -> None:
    disk = tier(disk_folder, events, quota=20_000)
    kept = [disk.put(spectrogram(seed)) for seed in range(10)]
    assert kept[0] is not None
    assert kept[9] is None
    kept.clear()
    assert disk.put(spectrogram(1)) is not None
    assert events.names() == ["disk_full"]


@pytest.mark.parametrize("call", ["pwrite", "posix_fallocate"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS])
def test_a_disk_that_fails_to_write_is_written_to_no_more_but_still_read(
    disk_folder: Path, events: RecordedEvents, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    disk = tier(disk_folder, events)
    kept = disk.put(spectrogram(1))
    assert kept is not None
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(number))
        tries = [disk.put(spectrogram(2, frames=20_000)) for _ in range(3)]
    assert tries == [None] * 3
    assert disk.put(spectrogram(3)) is None
    assert same_bits(disk.get(kept), spectrogram(1))
    assert events.names() == ["spill_failed"]
    assert os.strerror(number) in str(events.seen[0][1]["reason"])


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
def test_no_space_at_any_call_means_full_for_now(
    disk_folder: Path, events: RecordedEvents, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    disk = tier(disk_folder, events)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing(errno.ENOSPC))
        assert [disk.put(spectrogram(1)) for _ in range(3)] == [None] * 3
    assert disk.put(spectrogram(1)) is not None
    assert events.names() == ["disk_full"]


def test_an_array_that_cannot_be_read_is_tried_once(
    disk_folder: Path, events: RecordedEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, tries = tier(disk_folder, events), []

    def broken(*_: object) -> int:
        tries.append(1)
        raise OSError(errno.EIO, "Input/output error")

    kept = disk.put(spectrogram(1))
    assert kept is not None
    monkeypatch.setattr(os, "preadv", broken)
    assert [disk.get(kept) for _ in range(3)] == [None] * 3
    assert len(tries) == 1
    assert events.names() == ["spill_failed"]


def test_a_wrong_checksum_costs_that_array_only(disk_folder: Path, events: RecordedEvents) -> None:
    disk = tier(disk_folder, events)
    bad, good = disk.put(spectrogram(1)), disk.put(spectrogram(2))
    assert bad is not None
    assert good is not None
    assert disk._file is not None
    os.pwrite(disk._file._descriptor, b"\x55\xaa\x55", bad.start + 100)
    assert disk.get(bad) is None
    assert same_bits(disk.get(good), spectrogram(2))
    assert "wrong checksum" in str(events.seen[0][1]["reason"])


def test_a_folder_on_tmpfs_is_refused_and_said_so(events: RecordedEvents) -> None:
    disk = tier(Path("/dev/shm"), events)
    assert [disk.put(spectrogram(1)) for _ in range(3)] == [None] * 3
    assert events.names() == ["spill_failed"]
    assert "tmpfs" in str(events.seen[0][1]["reason"])


def test_a_missing_folder_is_said_once(disk_folder: Path, events: RecordedEvents) -> None:
    disk = tier(disk_folder / "missing", events)
    assert [disk.put(spectrogram(1)) for _ in range(3)] == [None] * 3
    assert events.names() == ["spill_failed"]


@pytest.fixture
def read_only(disk_folder: Path) -> Iterator[Path]:
    folder = disk_folder / "read-only"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    if os.geteuid() == 0:  # root may write there all the same, until the folder is immutable
        done = subprocess.run(["chattr", "+i", str(folder)], check=False, capture_output=True)
        if done.returncode != 0:
            pytest.skip("root needs a file system with immutable folders for this")
    yield folder
    subprocess.run(["chattr", "-i", str(folder)], check=False, capture_output=True)
    folder.chmod(stat.S_IRWXU)


def test_a_folder_that_became_read_only_before_the_first_spill_is_said_once(
    read_only: Path, events: RecordedEvents
) -> None:
    disk = tier(read_only, events)
    assert [disk.put(spectrogram(1)) for _ in range(3)] == [None] * 3
    assert events.names() == ["spill_failed"]


def test_a_folder_that_turns_read_only_later_does_not_matter_to_an_open_file(
    disk_folder: Path, events: RecordedEvents
) -> None:
    disk = tier(disk_folder, events)
    first = disk.put(spectrogram(1))
    disk_folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    second = disk.put(spectrogram(2))
    disk_folder.chmod(stat.S_IRWXU)
    assert first is not None
    assert second is not None
    assert same_bits(disk.get(first), spectrogram(1))
    assert same_bits(disk.get(second), spectrogram(2))


@pytest.mark.parametrize("call", ["pwrite", "preadv"])
def test_a_disk_slower_than_computing_rests_and_gets_another_try(
    disk_folder: Path, events: RecordedEvents, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    clock, plain, seconds = HandClock(), getattr(os, call), [2.0]

    def slow(*args: object) -> int:
        clock.now_s += seconds[0]
        return int(plain(*args))

    monkeypatch.setattr(os, call, slow)
    pace = PaceSettings(least_bytes_per_s=20e6, window_s=1.0, rest_s=30.0)
    disk = tier(disk_folder, events, pace=pace, clock=clock)
    kept = disk.put(spectrogram(1))
    assert kept is not None
    disk.get(kept)
    resting = disk.put(spectrogram(2)) if call == "pwrite" else disk.get(kept)
    assert resting is None
    clock.now_s += 30.0
    seconds[0] = 1e-5
    assert same_bits(disk.get(kept), spectrogram(1))
    assert disk.put(spectrogram(2)) is not None
    assert events.names() == ["disk_slow"]


def test_after_close_nothing_is_taken_or_given(disk_folder: Path, events: RecordedEvents) -> None:
    disk = tier(disk_folder, events)
    kept = disk.put(spectrogram(1))
    assert kept is not None
    disk.close()
    assert disk.get(kept) is None
    assert disk.put(spectrogram(1)) is None
    assert events.names() == []
