"""What compared recipes score: out of fold in pairs, and on the test split with bootstrap intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.report import Result
from kernel_src.manifest import Member, read_manifest
from train_offline.bootstrap import lwlrap_interval, paired_interval
from train_offline.metric import lwlrap
from train_offline.recipes import BEST, SILVER, Recipe, Stage
from train_offline.training_log import FOLDER_NAME

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

GAIN_TARGET = 0.05
NOISY_GAIN_TARGET = 0.01
NAME_WIDTH = 56


@dataclass(frozen=True)
class Scored:
    """Of one recipe, for each seed."""

    out_of_fold: Float64
    """[seeds, folds] lwlrap of the last stage's networks, each on the clips that its fold kept from it."""
    whole: list[Float64]
    """[clips, labels] probabilities of all members on the test split: folds are averaged as in the kernel."""
    by_stage: dict[str, list[Float64]]
    """The same of one stage's networks alone, members or not."""


def predictions_of(folder: Path, member: Member) -> Path:
    """Where a network's probabilities on the test split are kept."""
    return folder / f"{member.id}-{member.sha256[:12]}.test.npy"


def gather(recipe: Recipe, folders: Sequence[Path], folds: Sequence[int]) -> Scored:
    """What the networks in the folders, one for each seed, are worth."""
    last = recipe.stages[-1]
    return Scored(
        out_of_fold=np.array([_out_of_fold(_home(folder, last), folds, last) for folder in folders]),
        whole=[_blend(folder, _members(folder, folds)) for folder in folders],
        by_stage={
            stage.name: [
                _blend(home, _members(home, folds, stage)) for home in (_home(each, stage) for each in folders)
            ]
            for stage in recipe.stages
        },
    )


def _home(folder: Path, stage: Stage) -> Path:
    """Where the networks of a stage are: those that are no members stay with what training keeps for itself."""
    return folder if stage.exported else folder / FOLDER_NAME


def _members(folder: Path, folds: Sequence[int], stage: Stage | None = None) -> list[Member]:
    members = [member for member in read_manifest(folder).members if member.fold in folds]
    return [member for member in members if stage is None or member.stage == stage.name]


def _out_of_fold(folder: Path, folds: Sequence[int], stage: Stage) -> list[float]:
    scores = {member.fold: member.oof_lwlrap for member in _members(folder, folds, stage)}
    return [np.nan if (score := scores[fold]) is None else score for fold in folds]


def _blend(folder: Path, members: Sequence[Member]) -> Float64:
    blend: Float64 = np.mean([np.load(predictions_of(folder, member)) for member in members], axis=0)
    return blend


def results_of(truth: Bool, scored: dict[str, Scored]) -> dict[str, Result]:
    """Prints the scores of each recipe, then the differences; the same as results."""
    return _out_of_fold_results(scored) | _test_results(truth, scored) | _test_differences(truth, scored)


def _out_of_fold_results(scored: dict[str, Scored]) -> dict[str, Result]:
    results = {}
    for name, recipe in scored.items():
        mean = float(recipe.out_of_fold.mean())
        seeds = " ".join(f"{score:.4f}" for score in recipe.out_of_fold.mean(axis=1))
        print(f"{f'{name}, out of fold':{NAME_WIDTH}} {mean:.4f}    by seed {seeds}")
        results[f"{name}, out of fold"] = Result(mean, None, "higher")
    for name, gains in ((name, best.out_of_fold - scored[name].out_of_fold) for best, name in _against_best(scored)):
        gain = float(gains.mean())
        error = float(gains.std(ddof=1) / np.sqrt(gains.size)) if gains.size > 1 else np.nan
        title = f"best - {name}, out of fold"
        print(f"{title:{NAME_WIDTH}} {gain:+.4f}   standard error {error:.4f} over {gains.size} pairs")
        results[title] = Result(gain, None, "higher")
    return results


def _against_best(scored: dict[str, Scored]) -> list[tuple[Scored, str]]:
    """Best beside the name of each other recipe."""
    best = scored.get(BEST.name)
    return [(best, name) for name in scored if name != BEST.name] if best else []


def _test_results(truth: Bool, scored: dict[str, Scored]) -> dict[str, Result]:
    results = {}
    for name, recipe in scored.items():
        for stage, predictions in {"all members": recipe.whole, **recipe.by_stage}.items():
            scores = [lwlrap(truth, each) for each in predictions]
            low, high = lwlrap_interval(truth, np.stack(predictions))
            seeds = " ".join(f"{score:.4f}" for score in scores)
            title, mean = f"{name}, {stage}", float(np.mean(scores))
            print(f"{title:{NAME_WIDTH}} {mean:.4f}    95 % interval {low:.4f} to {high:.4f}    by seed {seeds}")
            results[title] = Result(mean, None, "higher")
    return results


def _test_differences(truth: Bool, scored: dict[str, Scored]) -> dict[str, Result]:
    compared = []
    for best, name in _against_best(scored):
        target = GAIN_TARGET if name == SILVER.name else 0.0
        compared.append((f"best - {name}", best.whole, scored[name].whole, target))
    for name, recipe in scored.items():
        stages = list(recipe.by_stage.values())
        compared.append((f"{name}, last stage - first", stages[-1], stages[0], NOISY_GAIN_TARGET))
    results = {}
    for name, left, right, target in compared:
        gain, low, high = paired_interval(truth, np.stack(left), np.stack(right))
        print(f"{name:{NAME_WIDTH}} {gain:+.4f}   95 % interval {low:+.4f} to {high:+.4f}")
        results[name] = Result(gain, target, "higher")
        results[f"{name}, lower end"] = Result(low, 0.0, "higher")
    return results
