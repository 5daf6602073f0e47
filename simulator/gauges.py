"""How much memory and disk the kernel's processes use, read without any privilege."""

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from simulator.process_tree import process_tree

BLOCK_BYTES = 512


class ProcessTreeMemory:
    """The proportional set size (PSS) of a process and all below it.

    PSS counts a shared page once over all that share it, so that forks do not add up to more than there is.
    """

    def __init__(self, root_pid: int) -> None:
        self._root_pid = root_pid

    def in_use_bytes(self) -> int:
        """Memory in use now; 0 when the processes are gone."""
        return sum(_pss_bytes(pid) for pid in process_tree(self._root_pid))


class FolderDisk:
    """The blocks of the files in a folder, and of those that are unlinked but still open."""

    def __init__(self, folder: Path, root_pid: int) -> None:
        self._folder = folder
        self._device = folder.stat().st_dev
        self._root_pid = root_pid

    def used_bytes(self) -> int:
        """Disk in use now."""
        inodes = dict(_blocks_below(self._folder))
        for pid in process_tree(self._root_pid):
            inodes.update(_unlinked_blocks(pid, self._device))
        return sum(inodes.values()) * BLOCK_BYTES


class OutsideConnections:
    """The connections of a process and all below it to anywhere but this machine itself."""

    def __init__(self, root_pid: int) -> None:
        self._root_pid = root_pid

    def addresses(self) -> frozenset[str]:
        """The remote addresses, connected or being connected to."""
        return frozenset(address for pid in process_tree(self._root_pid) for address in _remote_addresses(pid))


def _remote_addresses(pid: int) -> Iterator[str]:
    try:
        process = psutil.Process(pid)
        read = process.net_connections if hasattr(process, "net_connections") else process.connections  # psutil 6, 5
        connections = read(kind="inet")
    except psutil.Error:
        return
    for connection in connections:
        if connection.raddr and not _is_loopback(connection.raddr.ip):
            yield f"{connection.raddr.ip} port {connection.raddr.port}"


def _is_loopback(ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:  # ::ffff:127.0.0.1, of a socket for both
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _pss_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:  # it ended meanwhile, or has no memory any more
        return 0
    for line in text.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _blocks_below(folder: str | Path) -> Iterator[tuple[int, int]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # removed meanwhile, or closed to us
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _blocks_below(entry.path)
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:  # removed meanwhile
            continue
        yield status.st_ino, status.st_blocks


def _unlinked_blocks(pid: int, device: int) -> Iterator[tuple[int, int]]:
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        try:
            status = descriptor.stat()
        except OSError:
            continue
        if status.st_nlink == 0 and status.st_dev == device:
            yield status.st_ino, status.st_blocks
