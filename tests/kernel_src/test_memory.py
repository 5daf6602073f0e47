"""Memory in use is the cgroup's, less what the kernel can drop; the limit is the least that holds."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from store_fixtures import MB, FakeReader, HandClock, open_descriptors

from kernel_src.memory import V1, V2, CgroupReader, MachineReader, NestedReader, memory_reader
from simulator.cgroup_place import make_control_group

UNLIMITED_V1 = 9223372036854771712


def v1_group(folder: Path, usage: int, file_pages: int = 0, limit: int = UNLIMITED_V1) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.usage_in_bytes").write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(
        f"inactive_file 1\nactive_file 1\nhierarchical_memory_limit {limit}\n"
        f"total_cache {file_pages}\ntotal_inactive_file {file_pages // 2}\n"
        f"total_active_file {file_pages - file_pages // 2}\n"
    )


def v2_group(folder: Path, usage: int, file_pages: int = 0, limit: int | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.current").write_text(f"{usage}\n")
    (folder / "memory.max").write_text(f"{limit or 'max'}\n")
    (folder / "memory.stat").write_text(f"anon {usage}\ninactive_file {file_pages}\nactive_file 0\n")


def process_in(folder: Path, mount: Path, *, cgroup: str, root: str = "/", version: int) -> Path:
    """A /proc/<pid> that says: in group `cgroup`, of which the tree from `root` down is mounted at `mount`."""
    folder.mkdir(exist_ok=True)
    kind = "cgroup cgroup rw,memory" if version == 1 else "cgroup2 cgroup2 rw"
    controller = "4:cpu,memory" if version == 1 else "0:"
    (folder / "cgroup").write_text(f"7:blkio:/elsewhere\n{controller}:{cgroup}\n")
    point = str(mount).replace(" ", "\\040")
    (folder / "mountinfo").write_text(
        "22 1 8:1 / / rw - ext4 /dev/vda rw\n"
        "30 22 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        f"31 22 0:30 {root} {point} rw,relatime shared:5 - {kind}\n"
    )
    return folder


@pytest.mark.parametrize(("make", "layout"), [(v1_group, V1), (v2_group, V2)])
def test_file_pages_do_not_count_as_in_use(tmp_path: Path, make, layout) -> None:
    make(tmp_path, usage=161 * MB, file_pages=150 * MB)
    assert CgroupReader(tmp_path, layout).used_bytes() == 11 * MB


@pytest.mark.parametrize(("make", "layout"), [(v1_group, V1), (v2_group, V2)])
def test_a_group_without_a_limit_says_so(tmp_path: Path, make, layout) -> None:
    make(tmp_path, usage=1)
    assert CgroupReader(tmp_path, layout).limit_bytes() is None


def test_figures_are_read_afresh_each_time(tmp_path: Path) -> None:
    v2_group(tmp_path, usage=10 * MB, limit=100 * MB)
    reader = CgroupReader(tmp_path, V2)
    assert (reader.used_bytes(), reader.limit_bytes()) == (10 * MB, 100 * MB)
    v2_group(tmp_path, usage=20 * MB, limit=90 * MB)
    assert (reader.used_bytes(), reader.limit_bytes()) == (20 * MB, 90 * MB)


@pytest.mark.parametrize(("make", "version"), [(v1_group, 1), (v2_group, 2)])
def test_the_reader_finds_the_processes_own_nested_group(tmp_path: Path, make, version) -> None:
    mount = tmp_path / "cgroup mount"
    make(mount / "a", usage=90 * MB)
    make(mount / "a/b", usage=30 * MB, limit=50 * MB)
    reader = memory_reader(process_in(tmp_path / "proc", mount, cgroup="/a/b", version=version))
    assert reader.used_bytes() == 30 * MB
    assert reader.limit_bytes() == 50 * MB


@pytest.mark.parametrize(("make", "version"), [(v1_group, 1), (v2_group, 2)])
def test_in_a_container_the_mount_starts_at_its_own_group(tmp_path: Path, make, version) -> None:
    mount = tmp_path / "cgroup"
    make(mount, usage=30 * MB, limit=50 * MB)
    process = process_in(tmp_path / "proc", mount, cgroup="/docker/4f", root="/docker/4f", version=version)
    assert memory_reader(process).limit_bytes() == 50 * MB


@pytest.mark.parametrize("cgroup", ["/", "/../outside", "/not/below/the/root"])
def test_a_path_that_the_container_cannot_see_means_the_mounts_top(tmp_path: Path, cgroup: str) -> None:
    mount = tmp_path / "cgroup"
    v2_group(mount, usage=30 * MB, limit=50 * MB)
    process = process_in(tmp_path / "proc", mount, cgroup=cgroup, root="/pod", version=2)
    assert memory_reader(process).used_bytes() == 30 * MB


def test_a_group_that_was_not_given_the_controller_is_read_at_its_parent(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    v2_group(mount / "a", usage=30 * MB, limit=50 * MB)
    (mount / "a/b").mkdir()
    reader = memory_reader(process_in(tmp_path / "proc", mount, cgroup="/a/b", version=2))
    assert reader.used_bytes() == 30 * MB


def test_a_neighbour_under_the_same_outer_limit_leaves_less(tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    v2_group(mount / "a", usage=90 * MB, limit=100 * MB)
    v2_group(mount / "a/b", usage=30 * MB)
    reader = memory_reader(process_in(tmp_path / "proc", mount, cgroup="/a/b", version=2))
    assert reader.limit_bytes() == 40 * MB


def test_without_a_group_the_machine_is_read(tmp_path: Path) -> None:
    assert isinstance(memory_reader(tmp_path / "no-proc"), MachineReader)


@pytest.mark.parametrize(("make", "version"), [(v1_group, 1), (v2_group, 2)])
@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("cache 1\n")], ids=["none", "others"])
def test_a_group_without_the_figures_that_are_wanted_is_as_good_as_none(
    tmp_path: Path, make: Callable[..., None], version: int, spoil: Callable[[Path], object]
) -> None:
    mount = tmp_path / "cgroup"
    make(mount / "a", usage=30 * MB)
    process = process_in(tmp_path / "proc", mount, cgroup="/a", version=version)
    spoil(mount / "a" / "memory.stat")
    assert isinstance(memory_reader(process), MachineReader)


def test_the_root_group_of_v1_is_the_machine(tmp_path: Path) -> None:
    v1_group(tmp_path / "cgroup", usage=30 * MB)
    process = process_in(tmp_path / "proc", tmp_path / "cgroup", cgroup="/", version=1)
    assert isinstance(memory_reader(process), MachineReader)


def test_an_outer_limit_is_looked_up_again_only_after_a_while() -> None:
    clock, machine = HandClock(), FakeReader(used=500, limit=1000)
    reader = NestedReader(FakeReader(used=100), [machine], clock, refresh_s=0.1)
    assert reader.limit_bytes() == 600
    machine.used = 900
    assert reader.limit_bytes() == 600
    clock.now_s = 0.1
    assert reader.limit_bytes() == 200


def test_the_machine_does_not_count_what_others_held_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    own = psutil.Process().memory_info().rss
    memory = {"available": 40 * 10**9}

    def virtual_memory() -> object:
        return type("svmem", (), {"total": 64 * 10**9, "available": memory["available"]})

    monkeypatch.setattr(psutil, "virtual_memory", virtual_memory)
    reader = MachineReader()
    assert reader.limit_bytes() == 40 * 10**9 + own
    memory["available"] -= 10**9
    assert reader.used_bytes() == own + 10**9
    memory["available"] += 20 * 10**9  # others ended; what is ours is still ours
    assert reader.used_bytes() >= own // 2


def test_a_reader_gives_its_descriptors_back(tmp_path: Path) -> None:
    v2_group(tmp_path, usage=1)
    before = open_descriptors()
    reader = CgroupReader(tmp_path, V2)
    assert open_descriptors() > before
    del reader
    assert open_descriptors() == before


READINGS = """
import mmap, pathlib, psutil, subprocess, sys
from kernel_src.memory import memory_reader
reader = memory_reader()
empty = reader.used_bytes()
path = pathlib.Path(sys.argv[1]) / "file"
path.write_bytes(bytes(120 * 10**6))
for _ in range(3):
    path.read_bytes()
after_files = reader.used_bytes()
child = subprocess.Popen([sys.executable, "-c", "b = bytearray(60_000_000); print(flush=True); input()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
print(reader.limit_bytes(), empty, after_files, reader.used_bytes(), psutil.virtual_memory().percent)
child.communicate(b"x")
"""


@pytest.mark.root
def test_in_a_real_group_files_do_not_count_and_children_do(tmp_path: Path) -> None:
    group = make_control_group(256 * MB)
    if group is None:
        pytest.skip("needs root and a memory cgroup that it may make groups in")
    with group:
        command = [*group.entering(), sys.executable, "-c", READINGS, str(tmp_path)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert group.kills() == 0
    limit, empty, after_files, with_child = (int(word) for word in told.split()[:4])
    assert 255 * MB < limit <= 256 * MB
    assert after_files - empty < 30 * MB
    assert with_child - after_files > 55 * MB
