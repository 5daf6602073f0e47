"""What the kernel's score would be with how much of its time, for our order of passes and for others.

`python -m benchmarks.anytime --data D --weights W`: six folds, up to 16 views of each clip; every look is recorded
once, then orders are replayed. `--split withheld` takes curated clips that no fold has seen (weights trained
with `--withhold`) instead of the test split: the planner's rules are decided on those. Without data, and with --quick,
it is a small data set of its own. The curve is drawn into build/anytime.html.
"""

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.recorded_looks import RecordedLooks, record
from benchmarks.replay import Step, cost, fixed_order, our_order, scores_at, shuffled, silver_order
from benchmarks.report import Result, print_report
from kernel_src.before_torch import prepare_for_torch
from kernel_src.frontend import FrontendConfig
from kernel_src.gains import ENSEMBLE_GAIN, GainModel, MemberValue
from kernel_src.manifest import Manifest, config_from, read_manifest
from train_offline.batches import TrainingSet
from train_offline.bootstrap import paired_interval
from train_offline.curated import CuratedClips
from train_offline.dataset import CURATED, TEST, read_split, read_vocabulary
from train_offline.demo_data import write_demo_data
from train_offline.drawing import Series, line_chart
from train_offline.metric import lwlrap
from train_offline.page import page, paragraph, section
from train_offline.recipes import SILVER, SIZES
from train_offline.spectrogram_cache import SpectrogramCache, default_cache
from train_offline.spectrograms import spectrograms_of
from train_offline.training import TrainingSettings, train

SHARES = (0.02, 0.05, 0.10, 0.25, 0.50, 1.00)
CURVE_SHARES = tuple(np.geomspace(0.01, 1.0, 40).tolist())
RANDOM_ORDERS = 200
DAYS = 200
TOLERANCE = 0.005
WITHHELD = "withheld"
PAGE = Path("build/anytime.html")


@dataclass(frozen=True)
class Rival:
    """An order of passes, and the looks that it takes."""

    name: str
    steps: list[Step]
    probabilities: npt.NDArray[np.float64]
    """[members, clips, views, labels]"""

    def scores(self, budgets: Sequence[int]) -> list[npt.NDArray[np.float64]]:
        """[clips, labels] at each budget."""
        return list(scores_at(self.probabilities, self.steps, budgets))


def main(arguments: Sequence[str] | None = None) -> None:
    """Records, replays, prints and draws."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.anytime", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="on a small data set of its own: two minutes")
    parser.add_argument("--data", type=Path, help="a data set with a test split")
    parser.add_argument("--weights", type=Path, help="weights that were trained on it, with --withhold")
    parser.add_argument("--split", choices=[TEST, WITHHELD], default=TEST, help="the clips to look at (default: test)")
    parser.add_argument(
        "--cache", type=Path, default=PAGE.parent / "looks", help="where recorded looks are kept (%(default)s)"
    )
    options = parser.parse_args(arguments)
    if (options.data is None) != (options.weights is None):
        parser.error("--data and --weights go together")
    prepare_for_torch()
    with tempfile.TemporaryDirectory() as name:
        data, weights = options.data, options.weights
        if data is None or options.quick:
            data, weights = _own_data(Path(name))
        manifest = read_manifest(weights)
        clips = {split: _clips(split, data, manifest) for split in {options.split, WITHHELD}}
        recorded = {
            split: record(split, part, weights, options.cache, random_looks=split == options.split)
            for split, part in clips.items()
            if part.fnames
        }
    ranked = sorted(manifest.members, key=lambda member: -(member.oof_lwlrap or 0.0))
    results = compare(recorded[options.split], [MemberValue.of(member) for member in ranked])
    if WITHHELD in recorded:
        results |= check_model(recorded[WITHHELD], [MemberValue.of(member) for member in ranked])
    print_report("anytime", results)


def compare(recorded: RecordedLooks, values: Sequence[MemberValue]) -> dict[str, Result]:
    """Our order against the others: prints the table, draws the curves, and returns the results."""
    rivals = [
        Rival("ours", our_order(recorded, values, stop_early=False), recorded.probabilities),
        Rival("fixed order", fixed_order(recorded), recorded.probabilities),
        Rival("silver solution", silver_order(recorded), recorded.random_probabilities),
    ]
    whole = cost(rivals[0].steps)
    budgets = [round(share * whole) for share in SHARES]
    scores = {rival.name: rival.scores(budgets) for rival in rivals}
    lwlraps = {name: [lwlrap(recorded.targets, item) for item in row] for name, row in scores.items()}
    print(f"{recorded.targets.shape[0]} clips, {len(values)} members, {whole} looks in the full plan")
    print("share of the full plan    " + "".join(f"{share:>9.0%}" for share in SHARES))
    for name, row in lwlraps.items():
        print(f"{name:24}  " + "".join(f"{value:9.4f}" for value in row))
    for name, row in _random_bands(recorded, rivals[1], budgets).items():
        print(f"{name:24}  " + "".join(f"{value:9.4f}" for value in row))
    draw(recorded, rivals, whole)
    ours = lwlraps["ours"]
    return {
        "lwlrap_full": Result(ours[-1], None, "higher"),
        "share_of_full_at_10_percent": Result(ours[2] / ours[-1], 0.98, "higher"),
        "share_of_full_at_25_percent": Result(ours[3] / ours[-1], 0.995, "higher"),
        **_never_worse(recorded, scores),
        **_on_random_days(recorded, rivals, whole),
        **_early_stop(recorded, values, rivals[0], whole),
    }


def _random_bands(recorded: RecordedLooks, fixed: Rival, budgets: Sequence[int]) -> dict[str, list[float]]:
    """The middle and the lower end of what the same passes score in random orders."""
    orders = [replace(fixed, steps=shuffled(fixed.steps, seed)) for seed in range(RANDOM_ORDERS)]
    table_ = np.array([[lwlrap(recorded.targets, item) for item in order.scores(budgets)] for order in orders])
    return {
        f"median of {RANDOM_ORDERS} random orders": np.median(table_, axis=0).tolist(),
        "lowest twentieth of them": np.quantile(table_, 0.05, axis=0).tolist(),
    }


def _never_worse(recorded: RecordedLooks, scores: dict[str, list[npt.NDArray[np.float64]]]) -> dict[str, Result]:
    """The worst difference to each rival at any budget, and to ourselves with less budget; with its interval."""
    ours = scores["ours"]
    pairs = {
        name.replace(" ", "_"): list(zip(ours, scores[name], strict=True)) for name in scores if name != "ours"
    } | {"less_budget": [(more, less) for less, more in itertools.pairwise(ours)]}
    results = {}
    for name, pair in pairs.items():
        intervals = [paired_interval(recorded.targets, mine, theirs) for mine, theirs in pair]
        results[f"worst_difference_to_{name}"] = Result(min(low[0] for low in intervals), -TOLERANCE, "higher")
        results[f"worst_lower_bound_to_{name}"] = Result(min(low[1] for low in intervals), -TOLERANCE, "higher")
        results[f"worst_upper_bound_to_{name}"] = Result(min(low[2] for low in intervals), None, "higher")
    return results


def _on_random_days(recorded: RecordedLooks, rivals: Sequence[Rival], whole: int) -> dict[str, Result]:
    """How often ours scores at least as high when a bad day ends the run after a random share of the plan."""
    shares = np.sort(np.random.default_rng(0).beta(1.0, 2.0, DAYS))
    budgets = [max(1, round(share * whole)) for share in shares]
    rows = [[lwlrap(recorded.targets, item) for item in rival.scores(budgets)] for rival in rivals]
    ours, *others = np.array(rows)
    return {
        "days_not_behind_by_tolerance": Result(
            float((ours >= np.max(others, axis=0) - TOLERANCE).mean()), None, "higher"
        ),
        "mean_gain_on_a_day_over_fixed": Result(float((ours - others[0]).mean()), None, "higher"),
        "mean_gain_on_a_day_over_silver": Result(float((ours - others[1]).mean()), None, "higher"),
    }


def _early_stop(recorded: RecordedLooks, values: Sequence[MemberValue], full: Rival, whole: int) -> dict[str, Result]:
    stopped = our_order(recorded, values, stop_early=True)
    (early,) = scores_at(recorded.probabilities, stopped, [whole])
    (all_,) = full.scores([whole])
    difference, low, high = paired_interval(recorded.targets, early, all_)
    return {
        "early_stop_saved_share": Result(1 - cost(stopped) / whole, 1 / 3, "higher"),
        "early_stop_loss": Result(-difference, 0.002, "lower"),
        "early_stop_loss_upper_bound": Result(-low, None, "lower"),
        "early_stop_loss_lower_bound": Result(-high, None, "lower"),
    }


def check_model(recorded: RecordedLooks, values: Sequence[MemberValue]) -> dict[str, Result]:
    """The gain model against what ensembles of one, two, ... folds score on clips that none of them has seen."""
    n_members = len(recorded.probabilities)
    means = np.nanmean(recorded.probabilities, axis=2)
    measured = []
    for size in range(1, n_members + 1):
        teams = itertools.combinations(range(n_members), size)
        measured.append(np.mean([lwlrap(recorded.targets, means[list(team)].mean(axis=0)) for team in teams]))
    model = [measured[-1] + ENSEMBLE_GAIN * (1 / n_members - 1 / size) for size in range(1, n_members + 1)]
    view_gain = GainModel(values).view_gain
    print(f"folds together, on {len(recorded.targets)} withheld clips (expected views' gain {view_gain:.3f})")
    print("  measured  " + "".join(f"{value:9.4f}" for value in measured))
    print("  by model  " + "".join(f"{value:9.4f}" for value in model))
    error = float(np.abs(np.subtract(model, measured)).max())
    return {"ensemble_model_largest_error": Result(error, None, "lower")}


def draw(recorded: RecordedLooks, rivals: Sequence[Rival], whole: int) -> None:
    """The curves of all orders, on one page."""
    budgets = [max(1, round(share * whole)) for share in CURVE_SHARES]
    lines = []
    for rival in rivals:
        values = [lwlrap(recorded.targets, item) for item in rival.scores(budgets)]
        lines.append(
            Series(rival.name, [(100 * share, value) for share, value in zip(CURVE_SHARES, values, strict=True)])
        )
    chart = line_chart(
        lines, title="lwlrap by budget", x_label="budget, % of the full plan", y_label="lwlrap", from_zero=False
    )
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    about = f"{len(recorded.targets)} clips; every look was recorded once and the orders were replayed."
    PAGE.write_text(page("Score by budget", [section("Orders of passes", paragraph(about), chart)]), encoding="utf-8")
    print(f"drawn in {PAGE}")


def _clips(split_name: str, data: Path, manifest: Manifest) -> TrainingSet:
    frontend = config_from(FrontendConfig, manifest.members[0].frontend, "manifest")
    labels, created_with = read_vocabulary(data), manifest.created_with
    cache = SpectrogramCache(default_cache())
    if split_name == TEST:
        split, cached = spectrograms_of(read_split(data, TEST, labels), frontend, cache)
        return TrainingSet(split.fnames, cached.table, split.targets)
    share, n_folds = created_with.get("withheld_share", 0.0), created_with["n_folds"]
    split = read_split(data, CURATED, labels)
    return CuratedClips.of(split, frontend, n_folds, created_with["seed"], withheld_share=share, cache=cache).withheld()


def _own_data(folder: Path) -> tuple[Path, Path]:
    """A small data set, and six folds that were trained on it for a moment."""
    data, weights = folder / "data", folder / "weights"
    write_demo_data(data)
    size = replace(SIZES["demo"], epochs=5)
    recipe = replace(SILVER, stages=SILVER.stages[:1])
    train(TrainingSettings(data, weights, recipe, size, folds=(), withheld_share=0.15, cache=folder / "cache"))
    return data, weights


if __name__ == "__main__":
    main()
