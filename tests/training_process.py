"""Trainings in processes of their own, which tests may end as they like.

They are forked from one that has loaded torch and what else a training takes seconds to load.
"""

import multiprocessing
import os
import sys
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from training_settings import TINY

from train_offline import training
from train_offline.command import main
from train_offline.recipes import SIZES

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["train_offline.training", "torch._dynamo"])


@dataclass(frozen=True)
class TrainingProcess:
    """A training command that was started."""

    process: ForkServerProcess
    printed: Path

    def end(self, timeout_s: float = 100.0) -> str:
        """Waits for its end; returns what it has printed."""
        self.process.join(timeout_s)
        assert not self.process.is_alive(), self.printed.read_text()
        return self.printed.read_text()


def start_training(printed: Path, *arguments: object, checkpoint_every_s: float = 60.0) -> TrainingProcess:
    """Starts `train` in size `tiny`, with a core for all folds; what it prints goes to a file."""
    told = ["train", "--recipe", "silver", "--size", TINY.name, *map(str, arguments)]
    process = FORKS.Process(target=_train, args=(told, printed, checkpoint_every_s), daemon=True)
    process.start()
    return TrainingProcess(process, printed)


def _train(arguments: list[str], printed: Path, checkpoint_every_s: float) -> None:
    with printed.open("w") as file:
        for standard in (1, 2):
            os.dup2(file.fileno(), standard)
    SIZES[TINY.name] = TINY
    training.usable_cpus = lambda: 1
    training.TrainingSettings = partial(training.TrainingSettings, checkpoint_every_s=checkpoint_every_s)  # type: ignore[assignment, misc]
    sys.exit(main(arguments))
