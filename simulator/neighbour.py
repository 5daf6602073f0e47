"""A process that takes memory and keeps it until its stdin ends: `python -I -S neighbour.py BYTES`."""

import contextlib
import mmap
import sys
import time
from pathlib import Path

STEP_BYTES = 16 * 2**20
STEP_S = 0.02


def main(size_bytes: int) -> None:
    """Takes the memory step by step, as a program does that grows."""
    with contextlib.suppress(OSError):  # only root may ask to be spared; the kernel under test is the one to go
        Path("/proc/self/oom_score_adj").write_text("-1000", encoding="ascii")
    memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for begin in range(0, size_bytes, STEP_BYTES):
        end = min(begin + STEP_BYTES, size_bytes)
        memory[begin:end] = b"x" * (end - begin)
        time.sleep(STEP_S)
    sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
