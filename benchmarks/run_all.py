"""Runs the benchmarks that need no GPU, in turn: `make bench`.

`python -m benchmarks.run_all [NAME ...] [--out FILE]`: each with --quick, at most ten minutes in all on two cores. It
keeps everything in a dated file, prints a table with target and result, and ends with one JSON line.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import commit, machine

CHECKOUT = Path(__file__).parents[1]
NAMES = ("frontend", "network", "kernel", "bookkeeping", "store", "bundle")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs them; 1 where one of them fails, whatever its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run_all", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=f"of {', '.join(NAMES)}; default all")
    parser.add_argument("--out", type=Path, help="the file to write; a dated one in benchmarks/results by default")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"unknown {unknown}; known are {list(NAMES)}")
    began_s = time.perf_counter()
    reports = {name: run(name) for name in options.names}
    took_s = time.perf_counter() - began_s
    date = datetime.now(UTC).date().isoformat()
    out = options.out or unused(CHECKOUT / "benchmarks" / "results", f"{date}-bench")
    found = {name: report for name, report in reports.items() if report is not None}
    summary = {"date": date, "commit": commit(), "machine": machine(), "seconds_s": round(took_s), "benchmarks": found}
    out.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print("\n".join(table(found)))
    print(f"{len(found)} of {len(reports)} benchmarks in {took_s:.0f} s; kept in {out}")
    print(json.dumps(summary))
    return 0 if len(found) == len(reports) else 1


def unused(folder: Path, stem: str) -> Path:
    """A file that is not there yet: what was kept earlier on a day may stand in the documents."""
    names = (f"{stem}{number}.json" for number in ("", *(f"-{count}" for count in range(2, 1000))))
    return next(path for name in names if not (path := folder / name).exists())


def run(name: str) -> dict[str, Any] | None:
    """One benchmark's results, from its last line; None where it failed."""
    print(f"{name} ...", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}", "--quick"]
    done = subprocess.run(command, cwd=CHECKOUT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(f"{name} failed with exit code {done.returncode}", flush=True)
        return None
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report["results"]  # type: ignore[no-any-return]


def table(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every result with a target, a line each."""
    lines = [f"{'benchmark':10} {'result':50} {'value':>10} {'target':>10}"]
    for name, results in reports.items():
        for result, found in results.items():
            if found["target"] is not None:
                sign = ">=" if found["better"] == "higher" else "<="
                aim = f"{sign} {found['target']:g}"
                verdict = "met" if found["met"] else "NOT met"
                lines.append(f"{name:10} {result:50} {found['value']:10.4g} {aim:>10}  {verdict}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
