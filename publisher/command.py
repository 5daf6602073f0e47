"""`python publish.py`: brings weights and kernel to Kaggle, and the output back."""

import argparse
import errno
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bundler.errors import BundleError
from kernel_src.errors import KernelError
from kernel_src.limits import parse_duration_s
from publisher.errors import KaggleError
from publisher.patience import Clock, Patience, WallClock
from publisher.redaction import redacted


def main(
    arguments: Sequence[str] | None = None, *, patience: Patience | None = None, clock: Clock | None = None
) -> int:
    """The exit code: 0 as promised, 1 it failed at Kaggle, 2 bad input or use, 130 for Ctrl-C.

    Args:
        arguments: of the command line.
        patience: how long to wait; from the command line where it is not given.
        clock: by which is waited; the machine's own where it is not given.
    """
    options = _parser().parse_args(arguments)
    try:
        patience = patience or Patience(
            every_s=parse_duration_s(options.every), timeout_s=parse_duration_s(options.timeout)
        )
        from publisher.publishing import Publishing  # noqa: PLC0415  # importing the client takes a second
        from publisher.steps import STEPS  # noqa: PLC0415

        return STEPS[options.step](Publishing(options, patience, clock or WallClock()))
    except BundleError as error:
        return _failed(error.problems, 2)
    except KernelError as error:
        return _failed([str(error)], 2)
    except KaggleError as error:
        return _failed([str(error)], 1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        advice = "make room" if full else "make sure that it can be read and written"
        return _failed([f"{where}{error.strerror or error}; {advice}"], 2)
    except KeyboardInterrupt as stop:
        return _failed([str(stop) or "interrupted; run this again, it goes on where it stopped"], 128 + signal.SIGINT)


def _failed(lines: Sequence[str], code: int) -> int:
    for line in lines:
        print(f"publish: {redacted(line)}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="publish.py", description=__doc__, allow_abbrev=False)
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for name, text, add in (
        ("weights", "upload the weights as the data set that kernel.toml names", _add_weights),
        ("kernel", "push the bundle, wait for its run, bring the output back and check it", _add_kernel),
        ("output", "wait for the newest run, bring its output back and check it", _add_output),
        ("submit", "submit the newest run's output to the competition, and wait for the score", _add_submit),
        ("data", "fetch and unpack the competition's data, and count it", _add_data),
    ):
        step = steps.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
        step.add_argument(
            "--project", type=Path, default=Path(), metavar="P", help="the folder with kernel.toml (this)"
        )
        add(step)
        step.add_argument("--timeout", default="60s", metavar="T", help="silence that ends a connection (%(default)s)")
        step.add_argument("--every", default="15s", metavar="T", help="how often to look at Kaggle (%(default)s)")
    return parser


def _add_weights(step: argparse.ArgumentParser) -> None:
    _add_folders(step)
    step.add_argument("--licence", "--license", metavar="L", help="Kaggle's name of it, for a new data set (CC-BY-4.0)")
    step.add_argument("--message", metavar="M", help="what is new in this version (the recipe and the scores)")
    _add_no_wait(step, "do not wait until Kaggle says that the data set is ready")


def _add_kernel(step: argparse.ArgumentParser) -> None:
    _add_folders(step)
    _add_output_folder(step)
    _add_no_wait(step, "do not wait for the run")


def _add_output(step: argparse.ArgumentParser) -> None:
    _add_output_folder(step)
    _add_no_wait(step, "do not wait for the run; fail if it is not over")


def _add_submit(step: argparse.ArgumentParser) -> None:
    step.add_argument("--message", default="", metavar="M", help="a note beside the submission")
    _add_output_folder(step)
    _add_no_wait(step, "do not wait for the score")


def _add_data(step: argparse.ArgumentParser) -> None:
    step.add_argument("--out", type=Path, default=Path("data"), metavar="O", help="the folder for it (%(default)s)")
    step.add_argument("--keep-zip", action="store_true", help="keep the zip file that was fetched")


def _add_folders(step: argparse.ArgumentParser) -> None:
    step.add_argument("--weights", type=Path, metavar="W", help="folder of fold weights (weights in the project)")
    step.add_argument("--build", type=Path, metavar="B", help="the folder of what goes up (build in the project)")


def _add_output_folder(step: argparse.ArgumentParser) -> None:
    step.add_argument("--out", type=Path, metavar="O", help="folder for what comes back (build/output in the project)")
    step.add_argument("--data", type=Path, metavar="D", help="the competition's data, for its sample_submission.csv")


def _add_no_wait(step: argparse.ArgumentParser, text: str) -> None:
    step.add_argument("--no-wait", action="store_true", help=text)
