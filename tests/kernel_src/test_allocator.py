"""What was freed and kept can be given back."""

import subprocess
import sys
import textwrap

KEPT = """
    from pathlib import Path
    from kernel_src.allocator import give_back_free_blocks, keep_large_blocks

    def resident_mb():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    assert keep_large_blocks()
    before = resident_mb()
    blocks = [bytearray(b"x") * 20_000_000 for _ in range(5)]
    last = bytearray(b"x") * 1000  # what lies above keeps the system's own way from giving them back
    del blocks
    print(resident_mb() - before)
    give_back_free_blocks()
    print(resident_mb() - before)
"""


def test_freed_blocks_are_kept_until_they_are_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(KEPT)], check=True, capture_output=True, text=True)
    kept_mb, given_back_mb = map(float, done.stdout.split())
    assert kept_mb > 90
    assert given_back_mb < 10
