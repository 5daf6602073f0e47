"""What a folder lies on, and how many blocks the files in it take."""

import os
from pathlib import Path

MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "devtmpfs"})
"""Files there are memory, and count as such: nothing is won by moving an array to them."""
STAT_BLOCK_BYTES = 512
"""The unit of `st_blocks`, whatever the file system's own block is."""


def file_system_type(folder: Path) -> str:
    """The type of the file system that holds `folder`, such as "ext4"; empty where the system does not say."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == wanted:
            return source.split()[0]
    return ""


def used_blocks_bytes(folder: Path) -> int:
    """The blocks of the files that have a name in `folder` or below it, in bytes."""
    blocks = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                blocks += (Path(parent) / name).lstat().st_blocks
            except OSError:  # gone in the meantime
                continue
    return blocks * STAT_BLOCK_BYTES
