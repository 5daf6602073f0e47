"""Silver against best: both recipes at the same network size and number of steps, out of fold and on a test split.

`python -m benchmarks.quality --data D` trains what is not there yet in `--out` and goes on where it was stopped.
Recipes are chosen by what their networks score out of fold, which is printed first; the test split is looked at here
and nowhere else, and nothing is chosen by it. On a GPU several trainings run side by side, each in a process of its
own: the steps of one are too small to keep a large GPU busy.
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Event
from typing import get_args

import numpy as np
import torch

from benchmarks.quality_scores import gather, predictions_of, results_of
from benchmarks.report import Result, print_report
from kernel_src.before_torch import prepare_for_torch
from kernel_src.cpus import usable_cpus
from kernel_src.frontend import FrontendConfig
from kernel_src.manifest import MANIFEST_NAME, Member, read_manifest
from kernel_src.weights import load_member, pick_device
from train_offline.command import fold_list
from train_offline.compilation import CompileChoice, Work, choose_forward
from train_offline.dataset import CURATED, NOISY, TEST, read_split, read_vocabulary
from train_offline.demo_data import write_demo_data
from train_offline.evaluate import mean_probabilities
from train_offline.optimization import plain_forward
from train_offline.recipes import BEST, SILVER, SIZES, FoldFrontend, Recipe, Size
from train_offline.spectrogram_cache import SpectrogramCache, default_cache
from train_offline.spectrogram_table import SpectrogramTable
from train_offline.spectrograms import spectrograms_of
from train_offline.training import TrainingSettings, train
from train_offline.training_log import FOLDER_NAME

REDUCED = Size(
    name="reduced",
    for_whom="two cores",
    frontend=FrontendConfig(n_mels=128, hop_samples=1378),
    crop_frames=128,
    width=4,
    depth=7,
    n_folds=6,
    epochs=48,
    batch_clips=16,
)
"""128 mels as in size small, half its width and frames."""

COMPARED = {size.name: size for size in (REDUCED, *SIZES.values())}
WITHOUT = (
    replace(BEST, name="best-without-muon", muon_factor=None),
    replace(BEST, name="best-without-following", augmentation=replace(BEST.augmentation, following_share=0.0)),
    replace(BEST, name="best-without-decibels", frontends=(FoldFrontend("pcen"),)),
    replace(BEST, name="best-with-crops-of-one-length", frontends=(FoldFrontend("pcen"), FoldFrontend("db"))),
    replace(BEST, name="best-with-pcen-from-one", pcen_start="one"),
    replace(BEST, name="best-with-partners-of-the-batch", augmentation=replace(BEST.augmentation, partners="batch")),
)
"""What each part of best is worth: the recipe without it."""
COMPARED_RECIPES = {recipe.name: recipe for recipe in (SILVER, BEST, *WITHOUT)}


@dataclass(frozen=True)
class Comparison:
    """What is compared, on what."""

    data: Path
    out: Path
    """Where trained networks and their predictions are kept."""
    size: Size
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    most_views: int
    """Of a test clip, for each network."""
    recipes: tuple[Recipe, ...]
    at_once: int
    """How many trainings run side by side."""
    compile: CompileChoice
    cache: SpectrogramCache


def compare(comparison: Comparison) -> dict[str, Result]:
    """Trains, predicts and scores."""
    labels = read_vocabulary(comparison.data)
    frontends = {
        recipe.size_of_fold(comparison.size, fold).frontend
        for recipe in comparison.recipes
        for fold in comparison.folds
    }
    for frontend in sorted(frontends, key=str):  # once, before many want them
        for name in (CURATED, NOISY, TEST):
            spectrograms_of(read_split(comparison.data, name, labels), frontend, comparison.cache)
    # The recipes take turns, so that what is there at any time is pairs.
    jobs = [(recipe, seed) for seed in comparison.seeds for recipe in comparison.recipes]
    if comparison.at_once == 1:
        for recipe, seed in jobs:
            _train_and_predict(comparison, recipe, seed)
    else:
        _side_by_side(comparison, jobs)
    split, _ = spectrograms_of(read_split(comparison.data, TEST, labels), comparison.size.frontend, comparison.cache)
    scored = {}
    for recipe in comparison.recipes:
        folders = [_folder(comparison, recipe, seed) for seed in comparison.seeds]
        scored[recipe.name] = gather(recipe, folders, comparison.folds)
    return results_of(split.targets, scored)


def _side_by_side(comparison: Comparison, jobs: list[tuple[Recipe, int]]) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(comparison.at_once, context, initializer=prepare_for_torch) as pool:
        choice = pool.submit(_compile_once, comparison, len(jobs)).result()
        comparison = replace(comparison, compile=choice)
        for future in as_completed([pool.submit(_train_and_predict, comparison, *job) for job in jobs]):
            future.result()


def _compile_once(comparison: Comparison, n_trainings: int) -> CompileChoice:
    """Compiles before many want it, who then find it in the compiler's cache; returns whether they are to want it."""
    size, recipe = comparison.size, comparison.recipes[0]
    labels = read_vocabulary(comparison.data)
    seen = len(read_split(comparison.data, CURATED, labels).fnames) * (1 - 1 / size.n_folds)
    epochs = size.epochs * sum(stage.epochs_share for stage in recipe.stages)
    steps = round(n_trainings * len(comparison.folds) * epochs * seen / size.batch_clips)
    work = Work(recipe, size, len(labels), size.batch_clips, pick_device(), steps)
    return "no" if choose_forward(comparison.compile, work) is plain_forward else "yes"


def _train_and_predict(comparison: Comparison, recipe: Recipe, seed: int) -> None:
    folder = _folder(comparison, recipe, seed)
    train(_settings(comparison, recipe, seed, folder))
    for kept in (folder, folder / FOLDER_NAME):
        _predict(comparison, kept)


def _folder(comparison: Comparison, recipe: Recipe, seed: int) -> Path:
    return comparison.out / f"{recipe.name}-seed{seed}"


def _settings(comparison: Comparison, recipe: Recipe, seed: int, folder: Path) -> TrainingSettings:
    return TrainingSettings(
        data=comparison.data,
        out=folder,
        recipe=recipe,
        size=comparison.size,
        folds=comparison.folds,
        seed=seed,
        cache=comparison.cache.path,
        compile=comparison.compile,
    )


def _predict(comparison: Comparison, folder: Path) -> None:
    """Lets each network look at the test clips through the runtime's own predict and views; kept beside the weights."""
    if not (folder / MANIFEST_NAME).exists():
        return  # the recipe has no stages that are only steps on the way
    manifest = read_manifest(folder)
    todo = [member for member in manifest.members if not predictions_of(folder, member).exists()]
    if not todo:
        return
    device = pick_device()
    at_a_time = min(len(todo), usable_cpus()) if device.type == "cpu" else 1
    torch.set_num_threads(max(1, usable_cpus() // at_a_time))

    def predict(member: Member) -> None:
        loaded = load_member(folder, member, len(manifest.labels), device)
        title = f"{folder.name} {member.id} on the test split"
        table = _test_table(comparison, loaded.frontend)
        np.save(
            predictions_of(folder, member), mean_probabilities(loaded, table, comparison.most_views, title, Event())
        )

    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(predict, todo))


@lru_cache
def _test_table(comparison: Comparison, frontend: FrontendConfig) -> SpectrogramTable:
    split = read_split(comparison.data, TEST, read_vocabulary(comparison.data))
    return spectrograms_of(split, frontend, comparison.cache)[1].table


def _most_at_once(trainings: int) -> int:
    """On a CPU the folds of one training have all cores already."""
    return max(1, min(trainings, usable_cpus() // 2)) if pick_device().type == "cuda" else 1


def main() -> None:
    """Compares and prints the table and, last, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a data set with test.csv (default: demo data, with --quick)")
    parser.add_argument("--out", type=Path, default=Path("build/quality"), help="where networks are kept (%(default)s)")
    parser.add_argument("--size", choices=sorted(COMPARED), default=REDUCED.name)
    parser.add_argument("--epochs", type=int, help="of a stage whose share is 1 (default: the size's)")
    parser.add_argument("--batch-clips", type=int, help="default: the size's")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--folds", type=fold_list, default=(0, 1))
    parser.add_argument("--at-once", type=int, help="trainings side by side (default: 1, on a GPU one for two cores)")
    parser.add_argument("--compile", choices=get_args(CompileChoice), default="auto", help="the training step")
    parser.add_argument("--views", type=int, default=9, help="of a test clip, for each network")
    parser.add_argument(
        "--recipes",
        nargs="+",
        choices=list(COMPARED_RECIPES),
        default=[SILVER.name, BEST.name],
        help="what is compared; those without a part of best say what that part is worth",
    )
    parser.add_argument("--quick", action="store_true", help="one seed and a few epochs, to see that all works")
    options = parser.parse_args()
    prepare_for_torch()
    if options.data is None:
        options.data = options.out / "demo-data"
        write_demo_data(options.data)
    size = COMPARED[options.size]
    epochs = options.epochs or (4 if options.quick else size.epochs)
    recipes = tuple(COMPARED_RECIPES[name] for name in dict.fromkeys(options.recipes))
    seeds = tuple(range(1 if options.quick else options.seeds))
    comparison = Comparison(
        data=options.data,
        out=options.out,
        size=replace(size, epochs=epochs, batch_clips=options.batch_clips or size.batch_clips),
        seeds=seeds,
        folds=options.folds,
        most_views=options.views,
        recipes=recipes,
        compile=options.compile,
        at_once=options.at_once or _most_at_once(len(recipes) * len(seeds)),
        cache=SpectrogramCache(default_cache()),
    )
    print_report("quality", compare(comparison))


if __name__ == "__main__":
    main()
