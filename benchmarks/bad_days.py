"""Our kernel and the silver solution's way through the same bad days, an hour in a minute.

`python -m benchmarks.bad_days --data DATA --weights WEIGHTS [--days 50] [--quick]`; `make rehearse` bundles first. Both
get the same clips, weights and kinds of faults, one after the other, under limits that shrink alike. `--sum-up` only
reads what was left in `--out` before. In the mean score a day that was not survived counts 0.
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from benchmarks.report import Result, print_report

CHECKOUT = Path(__file__).parents[1]
SCRIPTS = {"ours": CHECKOUT / "build" / "kernel.py", "silver": CHECKOUT / "tests" / "simulator" / "silver_way.py"}
INPUTS = {"ours": (), "silver": ("--input", f"kernel_src={CHECKOUT / 'kernel_src'}")}
FATES = ("survived", "late", "killed", "invalid")
DAYS, QUICK_DAYS = 50, 3


@dataclass(frozen=True)
class LivedDay:
    """What became of one kernel on one day."""

    kinds: tuple[str, ...]
    """The faults' names."""
    fate: str
    """survived, late, killed or invalid."""
    time_s: float
    """How long it took."""
    lwlrap: float | None
    """The score of its last submission; None where it is not known."""
    lost_clips: int
    """Clips that were fine and still got no score of their own."""

    @property
    def counted_lwlrap(self) -> float:
        """What the day brings: nothing unless it was survived."""
        return self.lwlrap or 0.0 if self.fate == "survived" else 0.0

    @property
    def kept(self) -> bool:
        """Whether the kernel kept its promises and lost no clip."""
        return self.fate == "survived" and not self.lost_clips

    @property
    def text(self) -> str:
        """The day in a few words."""
        lost = f", {self.lost_clips} clips lost" if self.lost_clips else ""
        return f"{self.fate} {self.counted_lwlrap:.3f}{lost}"


def main(arguments: Sequence[str] | None = None) -> int:
    """1 where our kernel did not come through every day whole; 2 where a rehearsal could not be made."""
    options = _parser().parse_args(arguments)
    count = QUICK_DAYS if options.quick else options.days
    if not options.sum_up:
        for name in SCRIPTS:
            exit_code = _live(name, count, options)
            if exit_code not in (0, 1):  # 1 is a bad verdict, which is a result here
                return exit_code
    days = {name: read_days(options.out / name / "days.json") for name in SCRIPTS}
    good = [good_day_text(options.out / name / "good-day" / "summary.json") for name in SCRIPTS]
    print("\n".join(table(days, good)))
    ours, silver = days["ours"], days["silver"]
    print_report("bad_days", results(ours, silver))
    return 0 if all(day.kept for day in ours) else 1


def read_days(path: Path) -> list[LivedDay]:
    """The days that a rehearsal has written down."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [LivedDay(tuple(row["kinds"]), row["fate"], row["time_s"], row["lwlrap"], row["lost_clips"]) for row in rows]


def good_day_text(summary: Path) -> str:
    """The day before the bad ones, on which nothing went wrong, in a few words."""
    fields = json.loads(summary.read_text(encoding="utf-8"))
    return f"{fields['verdict']} {fields['lwlrap'] or 0:.3f} in {fields['time_s']:.0f} s"


def table(days: dict[str, list[LivedDay]], good: Sequence[str]) -> list[str]:
    """A line for each day, the good ones first, then one for each fate and each kind of fault."""
    lines = [
        f"{'':4}{'what went wrong':44}{'ours':36}the silver way",
        f"{'':4}{'nothing':44}{good[0]:36}{good[1]}",
    ]
    for number, (ours, silver) in enumerate(zip(days["ours"], days["silver"], strict=True), 1):
        lines.append(f"{number:<4}{', '.join(ours.kinds):44}{ours.text:36}{silver.text}")
    lines += ["", f"{'days':32}{'ours':>8}{'silver':>8}"]
    for fate in FATES:
        lines.append(_row(fate, [sum(day.fate == fate for day in lived) for lived in days.values()]))
    lines += ["", f"{'survived, of the days with':32}{'ours':>8}{'silver':>8}{'of':>6}"]
    for kind, count in sorted(Counter(kind for day in days["ours"] for kind in day.kinds).items()):
        survived = [sum(day.fate == "survived" and kind in day.kinds for day in lived) for lived in days.values()]
        lines.append(f"{_row(kind, survived)}{count:6}")
    return [line.rstrip() for line in lines]


def results(ours: Sequence[LivedDay], silver: Sequence[LivedDay]) -> dict[str, Result]:
    """The numbers worth quoting."""
    return {
        "ours_survived_days": Result(sum(day.fate == "survived" for day in ours), len(ours), "higher"),
        "ours_lost_clips": Result(sum(day.lost_clips for day in ours), 0, "lower"),
        "ours_mean_lwlrap": Result(mean(day.counted_lwlrap for day in ours), None, "higher"),
        "ours_median_day_s": Result(median(day.time_s for day in ours), None, "lower"),
        "silver_survived_days": Result(sum(day.fate == "survived" for day in silver), None, "higher"),
        "silver_mean_lwlrap": Result(mean(day.counted_lwlrap for day in silver), None, "higher"),
        "silver_median_day_s": Result(median(day.time_s for day in silver), None, "lower"),
    }


def _row(name: str, counts: Sequence[int]) -> str:
    return f"{name:32}{''.join(f'{count:8}' for count in counts)}"


def _live(name: str, count: int, options: argparse.Namespace) -> int:
    """Runs one kernel through its days; the exit code of simulate.py."""
    command = [sys.executable, str(CHECKOUT / "simulate.py"), "--script", str(SCRIPTS[name]), *INPUTS[name]]
    command += ["--data", str(options.data), "--weights", str(options.weights), "--clips", str(options.clips)]
    command += ["--mean-duration", options.mean_duration, "--scale", options.scale, "--bad-days", str(count)]
    command += ["--seed", str(options.seed), "--out", str(options.out / name)]
    if options.cpus:
        command += ["--cpus", str(options.cpus)]
    print(" ".join(command), flush=True)
    return subprocess.run(command, check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bad_days", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="a folder in the competition's layout, with test.csv for the scores")
    add("--weights", type=Path, default=Path("weights"), help="(%(default)s)")
    add("--days", type=int, default=DAYS, help="(%(default)s)")
    add("--quick", action="store_true", help=f"{QUICK_DAYS} days")
    add("--scale", default="1/60", help="(%(default)s)")
    add("--clips", type=int, default=3361, help="before they are scaled: the private test set's (%(default)s)")
    add("--mean-duration", default="10.4s", help="the same (%(default)s)")
    add("--cpus", type=int, help="CPUs that the kernels may use (all)")
    add("--seed", type=int, default=0, help="of clips and faults (%(default)s)")
    add("--out", type=Path, default=Path("build/rehearsal"), help="gets a folder for each kernel (%(default)s)")
    add("--sum-up", action="store_true", help="run nothing: read the days that are in --out")
    return parser


if __name__ == "__main__":
    sys.exit(main())
