"""What is written beside new weights for people: the model card and the report. It never costs the weights."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from kernel_src.manifest import read_manifest
from train_offline.model_card import write_model_card
from train_offline.weights_report import write_report


def describe_weights(data: Path, weights: Path) -> None:
    """Writes README.md and report.html into the weights folder; what cannot be written is said in a line on stderr."""
    _try("the model card", lambda: write_model_card(weights, read_manifest(weights)))
    again = f"python -m train_offline report {shlex.join(['--data', str(data), '--weights', str(weights)])}"
    _try("the report", lambda: write_report(data, weights), f"; to draw it: {again}")


def _try(what: str, write: Callable[[], Path], hint: str = "") -> None:
    try:
        print(f"{what}: {write()}")
    except Exception as error:  # noqa: BLE001 - the weights are there, and that is what the training was for
        reason = str(error) or type(error).__name__
        print(f"{what} could not be written: {reason.splitlines()[0]}{hint}", file=sys.stderr)
