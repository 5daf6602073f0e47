"""What the watchdog reads is what the processes really use."""

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from simulator.gauges import FolderDisk, OutsideConnections, ProcessTreeMemory
from simulator.process_tree import process_tree

HOLDS_MEMORY_IN_FORKS = """
import os, sys
held = bytearray(b"x" * 60_000_000)
children = []
for _ in range(3):
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    children.append(writer)
print("up", flush=True)
sys.stdin.read()
"""


def test_memory_shared_by_forks_counts_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS_MEMORY_IN_FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as kernel:
        assert kernel.stdout is not None
        kernel.stdout.readline()
        in_use_bytes = ProcessTreeMemory(kernel.pid).in_use_bytes()
        assert len(process_tree(kernel.pid)) == 4
        kernel.communicate()
    assert 60e6 < in_use_bytes < 110e6


def test_shared_memory_counts() -> None:
    body = (
        "import mmap, sys; shared = mmap.mmap(-1, 50_000_000); shared.write(b'x' * 50_000_000); print('up', flush=True)"
    )
    command = [sys.executable, "-c", f"{body}; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as kernel:
        assert kernel.stdout is not None
        kernel.stdout.readline()
        in_use_bytes = ProcessTreeMemory(kernel.pid).in_use_bytes()
        kernel.communicate()
    assert 50e6 < in_use_bytes < 75e6


def test_a_process_that_is_gone_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert ProcessTreeMemory(process.pid).in_use_bytes() == 0
    assert OutsideConnections(process.pid).addresses() == frozenset()


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs sockets for both versions of IP at once")
def test_a_connection_within_the_machine_leads_nowhere_outside() -> None:
    with (
        socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.create_connection(("127.0.0.1", server.getsockname()[1])),
        server.accept()[0] as accepted,
    ):
        assert accepted.getpeername()[0] == "::ffff:127.0.0.1"
        assert OutsideConnections(os.getpid()).addresses() == frozenset()


def test_files_count_by_their_blocks_also_when_unlinked_or_linked_twice(tmp_path: Path) -> None:
    gauge = FolderDisk(tmp_path, os.getpid())
    (tmp_path / "deep" / "folder").mkdir(parents=True)
    (tmp_path / "deep" / "folder" / "file").write_bytes(b"x" * 1_000_000)
    os.link(tmp_path / "deep" / "folder" / "file", tmp_path / "again")
    with tempfile.TemporaryFile(dir=tmp_path) as unlinked:
        unlinked.write(b"x" * 2_000_000)
        unlinked.flush()
        assert gauge.used_bytes() == pytest.approx(3_000_000, abs=50_000)
    assert gauge.used_bytes() == pytest.approx(1_000_000, abs=50_000)
