"""`python simulate.py`: runs a script kernel as Kaggle would, and says whether it kept its promises."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kernel_src.errors import KernelError
from simulator.bad_days import Day, live_through
from simulator.days_report import write_days_report
from simulator.options import NO_WEIGHTS, commit_run, rehearsal_from
from simulator.rehearse import rehearse
from simulator.report import write_report
from simulator.scale import measure_base, parse_scale, scaled
from simulator.settings import Rehearsal
from simulator.summary import day_line, days_lines, summary_lines, write_days_summary, write_summary
from train_offline.leaving import leaving_in_order, nobody_reads

RUN_FOLDER = Path("build/run")
DAYS_FOLDER = Path("build/bad-days")
REPORT = Path("build/report.html")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 as promised, 1 a bad verdict, 2 bad input or use; 128 and its number for a signal."""
    options = _parser().parse_args(arguments)
    if options.out is None:
        options.out = DAYS_FOLDER if options.bad_days else RUN_FOLDER
        options.report = options.report or REPORT
    try:
        with leaving_in_order():
            return _play(options)
    except KernelError as error:
        print(f"simulate: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # nobody reads the summary; it is in summary.json too
        return nobody_reads()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"simulate: {where}{error.strerror or error}; make sure that it can be read and written", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("simulate: interrupted; everything that was set up is gone again", file=sys.stderr)
        return 128 + signal.SIGINT


def _play(options: argparse.Namespace) -> int:
    rehearsal = rehearsal_from(options)
    if options.report is not None:
        _make_room_for(options.report)
    if options.scale is not None:
        scale = parse_scale(options.scale)
        print(f"measuring what the kernel needs for a few clips, for --scale {options.scale}", flush=True)
        rehearsal = scaled(rehearsal, scale, measure_base(rehearsal))
    if options.bad_days:
        return _play_bad_days(rehearsal, options)
    runs = [rehearsal] if options.mode in ("rerun", "both") else []
    if options.mode in ("commit", "both"):
        runs.insert(0, commit_run(rehearsal, options, beside=options.mode == "both"))
    return max(_play_run(run, options.report if run.rerun else None) for run in runs)


def _make_room_for(report: Path) -> None:
    """Refuses a page that could not be written, before a run of an hour instead of after it."""
    report.parent.mkdir(parents=True, exist_ok=True)
    if report.is_dir():
        raise KernelError(f"--report {report} is a folder; give the page a name in it")


def _play_run(rehearsal: Rehearsal, report_path: Path | None) -> int:
    result = rehearse(rehearsal)
    write_summary(result)
    report = write_report(result, report_path or rehearsal.out / REPORT.name)
    print("\n".join(summary_lines(result, report)), flush=True)
    return 0 if result.verdict.good else 1


def _play_bad_days(rehearsal: Rehearsal, options: argparse.Namespace) -> int:
    def tell(day: Day, lived: Sequence[Day]) -> None:
        write_summary(day.result)
        write_report(day.result, day.result.rehearsal.out / REPORT.name)
        write_days_summary(lived, rehearsal.out)  # after each day, for many of them take an hour
        print(day_line(day), flush=True)

    good_day, days = live_through(rehearsal, options.bad_days, tell)
    report = write_days_report(days, options.report or rehearsal.out / REPORT.name)
    print("\n".join(days_lines(good_day, days, rehearsal.out, report)))
    return 0 if all(day.good for day in (good_day, *days)) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulate.py", description=__doc__, allow_abbrev=False)
    _add_inputs(parser.add_argument_group("what is run"))
    _add_limits(parser.add_argument_group("under which limits"))
    _add_days(parser.add_argument_group("on what kind of day"))
    return parser


def _add_inputs(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--script", type=Path, default=Path("build/kernel.py"), metavar="S", help="the script kernel (%(default)s)")
    add("--data", type=Path, metavar="D", help="folder in the competition's layout; the kernel sees its test set only")
    add("--weights", metavar="W", help=f'folder of fold weights (weights), or "{NO_WEIGHTS}"')
    add("--input", action="append", default=[], metavar="SLUG=FOLDER", help="one more input folder, shown whole")
    add("--newer-mounts", action="store_true", help="inputs under competitions/ and datasets/<owner>/")
    add("--clips", type=int, metavar="N", help="size of the test set: drawn from the folder's, or repeating it")
    add("--mean-duration", metavar="T", help='cut or repeat the clips to 0.3-30 s, so long on average, such as "10.4s"')
    add("--out", type=Path, metavar="O", help=f"folder for what happened ({RUN_FOLDER}, or {DAYS_FOLDER})")
    add("--report", type=Path, metavar="R", help=f"the page with the drawings ({REPORT}, or in the folder given)")
    mode = group.add_mutually_exclusive_group()
    for name, text in {
        "rerun": "play the hidden re-run (the usual)",
        "commit": "play the run on commit, with a placeholder test set",
        "both": "play both, one after the other",
    }.items():
        mode.add_argument(f"--{name}", dest="mode", action="store_const", const=name, help=text)
    add("--placeholder", type=int, default=3, metavar="N", help="clips of the placeholder test set (%(default)s)")
    group.set_defaults(mode="rerun")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--time", metavar="T", help='wall-clock limit, such as "1h", "90m" or "60s" (from kernel.toml)')
    add("--memory", metavar="M", help='memory limit, such as "14GB" (from kernel.toml)')
    add("--disk", metavar="B", help='disk quota, such as "5GB" (from kernel.toml)')
    add("--cpus", type=int, metavar="N", help="CPUs that the kernel may use (all)")
    add("--speed", type=float, default=1.0, metavar="F", help="speed of the CPUs, as a share of their own (1)")
    add("--scale", metavar="F", help='shrink time and clips together, such as "1/60"')
    add("--require", choices=["hard"], help="fail where a limit would only be watched")
    add("--soft", action="store_true", help="only watch the limits, even where they could be enforced")


def _add_days(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--fault", action="append", default=[], metavar="NAME[=AMOUNT][@MOMENT]", help="such as slow=0.5@50%%")
    add("--bad-days", type=int, default=0, metavar="N", help="run N times, each with faults drawn anew")
    add("--seed", type=int, default=0, metavar="S", help="of everything that is drawn (%(default)s)")
