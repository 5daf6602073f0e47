"""The store under limits that are real: a cgroup that kills, a disk that is full."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from store_fixtures import MB, FakeReader, RecordedEvents, folder_on_disk, same_bits, settings, spectrogram

from kernel_src.store import SpectrogramStore
from kernel_src.store_totals import Tier
from simulator.cgroup import ControlGroup
from simulator.cgroup_place import make_control_group

HERE = Path(__file__).parent
ITEMS = 600
MEMORY_BYTES = 256 * MB
DISK_BYTES = 60 * MB


@pytest.fixture
def group() -> Iterator[ControlGroup]:
    made = make_control_group(MEMORY_BYTES)
    if made is None:
        pytest.skip("needs root and a memory cgroup that it may make groups in")
    with made:
        yield made


@pytest.fixture
def disk_folder() -> Iterator[Path]:
    with folder_on_disk() as folder:
        yield folder


def run_in(group: ControlGroup, script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*group.entering(), sys.executable, str(HERE / script), *map(str, arguments)]
    paths = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.root
def test_the_store_holds_where_the_shared_dictionary_is_killed(group: ControlGroup, disk_folder: Path) -> None:
    done = run_in(group, "fill_store.py", ITEMS, disk_folder, DISK_BYTES)
    assert group.kills() == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["whole"] == ITEMS
    assert min(report["tiers"].values()) > 50
    assert report["claimed_bytes"] <= DISK_BYTES
    assert report["left_in_folder"] == 0
    assert report["events"] == ["spill_began", "disk_full", "recomputing", "store_totals"]

    done = run_in(group, "fill_manager_dict.py", ITEMS, disk_folder)
    assert group.kills() > 0
    assert "all stored" not in done.stdout
    assert float(done.stdout.split()[-1]) < 95


@pytest.mark.root
def test_dropping_every_other_spectrogram_gives_its_memory_back_at_once(group: ControlGroup) -> None:
    done = run_in(group, "drop_half.py", 400)
    empty, full, half, full_again = map(int, done.stdout.split())
    assert full - empty > 100 * MB
    assert half - empty < 0.6 * (full - empty)
    assert full_again - empty < 1.1 * (full - empty)


@pytest.fixture
def small_disk(disk_folder: Path) -> Iterator[Path]:
    """A mounted ext4 file system of 32 MB."""
    image, mount = disk_folder / "image", disk_folder / "mount"
    image.write_bytes(b"")
    os.truncate(image, 32 * MB)
    mount.mkdir()
    with ExitStack() as cleanup:
        for command in (["mkfs.ext4", "-q", "-F", image], ["mount", "-o", "loop", image, mount]):
            if subprocess.run(command, check=False, capture_output=True).returncode != 0:
                pytest.skip("needs root, mkfs.ext4 and a free loop device")
        cleanup.callback(subprocess.run, ["umount", "--lazy", mount], check=True)
        yield mount


@pytest.mark.root
def test_a_full_disk_never_reaches_the_caller_and_leaves_room_for_the_submission(small_disk: Path) -> None:
    events = RecordedEvents()
    full = FakeReader(used=100 * MB, limit=100 * MB)
    with SpectrogramStore(settings(disk=5000 * MB, disk_reserve=3 * MB), full, small_disk, events) as store:
        tiers = [store.put(str(seed), spectrogram(seed, frames=6000)) for seed in range(60)]
        assert tiers == sorted(tiers)  # "disk" while there is room, then "none"
        assert 20 < tiers.count(Tier.DISK) < 50
        (small_disk / "submission.csv").write_bytes(bytes(2 * MB))
        for seed, tier in enumerate(tiers):
            found = store.get(str(seed))
            assert found is None if tier is Tier.NONE else same_bits(found, spectrogram(seed, frames=6000))
        store.drop("0")
        assert store.put("0 again", spectrogram(0, frames=6000)) is Tier.DISK
    assert events.names() == ["spill_began", "disk_full", "store_totals"]


@pytest.mark.root
def test_a_disk_that_somebody_else_fills_never_reaches_the_caller(small_disk: Path) -> None:
    events = RecordedEvents()
    full = FakeReader(used=100 * MB, limit=100 * MB)
    with SpectrogramStore(settings(disk=5000 * MB), full, small_disk, events) as store:
        assert store.put("before", spectrogram(1, frames=6000)) is Tier.DISK
        with pytest.raises(OSError, match="No space"):
            (small_disk / "hog").write_bytes(bytes(40 * MB))
        tiers = [store.put(f"after {seed}", spectrogram(seed, frames=6000)) for seed in range(60)]
        assert tiers[-1] is Tier.NONE
        assert same_bits(store.get("before"), spectrogram(1, frames=6000))
    assert events.counts()["disk_full"] == 1


@pytest.mark.root
def test_a_disk_that_is_mounted_read_only_is_told_once(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    events = RecordedEvents()
    full = FakeReader(used=100 * MB, limit=100 * MB)
    with SpectrogramStore(settings(), full, small_disk, events) as store:
        assert [store.put(str(seed), spectrogram(seed)) for seed in range(5)] == [Tier.NONE] * 5
    assert events.counts()["spill_failed"] == 1
