"""The commands of `python -m train_offline`."""

import argparse
import io
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kernel_src.before_torch import prepare_for_torch
from kernel_src.errors import KernelError
from train_offline.leaving import leaving_in_order, nobody_reads
from train_offline.recipes import BEST, RECIPES, SIZES

MOST_SEED = 1 << 32
"""Of numpy's and scikit-learn's generators."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code: 2 for bad input, with one line that says what to do.

    Or 128 and its number for a signal.
    """
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log tells of a night while it lasts, and in its order
    try:
        with leaving_in_order():
            prepare_for_torch()
            options.command(options)
    except KernelError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        return nobody_reads()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"{where}{error.strerror or error}; make sure that it can be read and written", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, SystemExit) as stop:
        goes_on = "; the same command goes on from here" if options.command is _train else ""
        print(f"interrupted{goes_on}", file=sys.stderr)
        return int(stop.code or 0) if isinstance(stop, SystemExit) else 128 + signal.SIGINT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m train_offline", description="From recordings to fold weights.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo-data", help="make a small labelled data set to try everything on")
    demo.add_argument("out", type=Path, metavar="OUT", help="the folder to make")
    demo.add_argument("--seed", type=_seed, default=0, metavar="N", help="of everything random (default: 0)")
    demo.set_defaults(command=_demo_data)

    _add_training(commands.add_parser("train", help="train the folds of a recipe"))

    evaluate = commands.add_parser("evaluate", help="out-of-fold lwlrap of a weights folder, overall and per label")
    evaluate.add_argument("--data", type=Path, required=True, help="the data set that the weights are from")
    evaluate.add_argument("--weights", type=Path, default=Path("weights"), help="the weights folder (default: weights)")
    evaluate.add_argument("--cache", type=Path, help="where spectrograms are kept (default: ~/.cache/hourglass)")
    evaluate.set_defaults(command=_evaluate)

    report = commands.add_parser("report", help="draw what a training came to: WEIGHTS/report.html")
    report.add_argument("--data", type=Path, required=True, help="the data set that the weights are from")
    report.add_argument("--weights", type=Path, default=Path("weights"), help="the weights folder (default: weights)")
    report.add_argument("--cache", type=Path, help="where spectrograms are kept (default: ~/.cache/hourglass)")
    report.set_defaults(command=_report)

    describe = commands.add_parser(
        "describe", help="draw a data set: labels, durations, silent, clipped and copied clips"
    )
    describe.add_argument("data", type=Path, metavar="DATA", help="a folder in the competition's layout")
    describe.add_argument("--out", type=Path, default=Path("data-report.html"), help="the page (default: %(default)s)")
    describe.set_defaults(command=_describe)

    export = commands.add_parser("export", help="check that the kernel does with the weights what training did")
    export.add_argument("--data", type=Path, required=True, help="the data set that the weights are from")
    export.add_argument("--weights", type=Path, default=Path("weights"), help="the weights folder (default: weights)")
    export.add_argument("--clips", type=_count, default=50, metavar="N", help="clips a member predicts (default: 50)")
    export.add_argument("--out", type=Path, metavar="DIR", help="copy what the kernel needs into this folder")
    export.add_argument("--cache", type=Path, help="where spectrograms are kept (default: ~/.cache/hourglass)")
    export.set_defaults(command=_export)
    return parser


def _add_training(train: argparse.ArgumentParser) -> None:
    sizes = "; ".join(f"{size.name}: {size.for_whom}" for size in SIZES.values())
    train.add_argument("--data", type=Path, required=True, help="a folder in the competition's layout")
    train.add_argument("--recipe", choices=sorted(RECIPES), default=BEST.name, help=f"how (default: {BEST.name})")
    train.add_argument("--size", choices=sorted(SIZES), default="small", help=f"how much (default: small). {sizes}")
    train.add_argument("--folds", type=fold_list, default=(), help="such as 0,1 (default: all)")
    train.add_argument("--out", type=Path, default=Path("weights"), help="the weights folder (default: weights)")
    train.add_argument("--seed", type=_seed, default=0, metavar="N", help="of everything random (default: 0)")
    train.add_argument("--epochs", type=_count, metavar="N", help="passes over the clips (default: the size's)")
    train.add_argument("--batch-clips", type=_count, metavar="N", help="clips in a batch (default: the size's)")
    train.add_argument("--cache", type=Path, help="where spectrograms are kept (default: ~/.cache/hourglass)")
    train.add_argument(
        "--withhold",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="keep this share of clips from every fold, such as 0.15, to judge ensembles by",
    )
    train.add_argument(
        "--compile",
        choices=("auto", "yes", "no"),
        default="auto",
        help="compile the training step: where it saves time in the end (auto), in any case, or never (default: auto)",
    )
    train.add_argument("--again", action="store_true", help="train anew what the weights folder has already")
    train.set_defaults(command=_train)


def fold_list(text: str) -> tuple[int, ...]:
    """Reads fold numbers such as 0,1."""
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected fold numbers such as 0,1, got {text!r}") from error


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, got {text!r}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= MOST_SEED:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to {MOST_SEED - 1}, got {text!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a share such as 0.15, got {text!r}") from error
    if not 0 <= share <= 0.5:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 0.5, got {text}")
    return share


# Each command imports its own modules: torch takes seconds to load, and demo-data does without.


def _demo_data(options: argparse.Namespace) -> None:
    from train_offline.demo_data import write_demo_data  # noqa: PLC0415

    write_demo_data(options.out, seed=options.seed)


def _train(options: argparse.Namespace) -> None:
    from train_offline.after_training import describe_weights  # noqa: PLC0415
    from train_offline.training import TrainingSettings, train  # noqa: PLC0415

    size = SIZES[options.size]
    size = replace(size, epochs=options.epochs or size.epochs, batch_clips=options.batch_clips or size.batch_clips)
    members = train(
        TrainingSettings(
            data=options.data,
            out=options.out,
            recipe=RECIPES[options.recipe],
            size=size,
            folds=options.folds,
            seed=options.seed,
            withheld_share=options.withhold,
            again=options.again,
            compile=options.compile,
            cache=options.cache,
        )
    )
    print(f"{len(members)} networks in {options.out}")
    describe_weights(options.data, options.out)


def _evaluate(options: argparse.Namespace) -> None:
    from train_offline.out_of_fold import score_weights  # noqa: PLC0415

    score = score_weights(options.data, options.weights, options.cache)
    width = max(map(len, score.labels))
    rows = zip(score.labels, score.per_label.tolist(), score.counts.tolist(), strict=True)
    for label, value, count in sorted(rows, key=lambda row: (not row[2], row[1])):
        print(f"{label:{width}}  {f'{value:.4f}' if count else '   -  '}  {count:5d} clips")
    for name, result in score.members.items():
        print(f"{name}: lwlrap {result.lwlrap:.4f}")
    low, high = score.interval
    scored = f"{len(score.fnames):,} clips of {score.folds}"
    print(f"out-of-fold lwlrap {score.lwlrap:.4f} over {scored}, 95 % bootstrap interval {low:.4f} to {high:.4f}")


def _report(options: argparse.Namespace) -> None:
    from train_offline.weights_report import write_report  # noqa: PLC0415

    print(f"report: {write_report(options.data, options.weights, options.cache)}")


def _describe(options: argparse.Namespace) -> None:
    from train_offline.data_description import describe, summary_text  # noqa: PLC0415
    from train_offline.data_report import write_data_report  # noqa: PLC0415

    if not options.out.parent.is_dir():
        raise KernelError(f"--out {options.out}: there is no folder {options.out.parent}; make it first")
    if options.out.is_dir():
        raise KernelError(
            f"--out {options.out}: is a folder; give the page a name, such as {options.out / 'data.html'}"
        )
    description = describe(options.data)
    print(summary_text(description))
    print(f"report: {write_data_report(description, options.out)}")


def _export(options: argparse.Namespace) -> None:
    from train_offline.export import ExportSettings, export  # noqa: PLC0415

    for what, found in export(ExportSettings(options.data, options.weights, options.clips, options.out, options.cache)):
        print(f"{what:16} {found}")
