"""Runs the kernel as it is and notes when its networks were at work: `python -m benchmarks.timed_kernel OUT`.

The settings come by HOURGLASS_OVERRIDES as for any run. OUT gets a JSON list of [begin, end, windows], in seconds since
the start of the process as the run's own events count them.
"""

import argparse
import json
import sys
import threading
from pathlib import Path

from kernel_src.before_torch import prepare_for_torch


def main() -> int:
    """The run; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.timed_kernel", description=__doc__)
    parser.add_argument("out", type=Path, help="the file to write")
    out: Path = parser.parse_args().out
    prepare_for_torch()
    from kernel_src.budget import TimeBudget  # noqa: PLC0415 - after the settings
    from kernel_src.run import main as run  # noqa: PLC0415
    from kernel_src.weights import LoadedMember  # noqa: PLC0415

    clock = TimeBudget.of_this_process(1e9, 1.0)
    calls: list[tuple[float, float, int]] = []
    lock = threading.Lock()
    logits = LoadedMember.logits

    def timed(member, images):  # type: ignore[no-untyped-def]
        began_s = clock.elapsed_s()
        found = logits(member, images)
        with lock:
            calls.append((began_s, clock.elapsed_s(), len(images)))
        return found

    LoadedMember.logits = timed  # type: ignore[method-assign]
    try:
        return run()
    finally:
        out.write_text(json.dumps(calls), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
