"""What a training came to, drawn on one page that opens without a network: `weights/report.html`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kernel_src.manifest import Manifest, read_manifest
from train_offline.bootstrap import lwlrap_interval
from train_offline.confusions import worst_confusions
from train_offline.dataset import CURATED, Split, read_split, read_vocabulary
from train_offline.metric import lwlrap
from train_offline.model_card import fact_name
from train_offline.out_of_fold import check_that_they_belong_together, folds_text, score_weights
from train_offline.page import banner, folded, page, paragraph, section, table
from train_offline.recipes import RECIPES, SIZES
from train_offline.sample_pictures import augmented_pictures, sample_clips, scalings_picture
from train_offline.training_charts import (
    confusion_map,
    ladder_of_views,
    learning_curves,
    picks_by_label,
    scores_by_label,
    worst_pairs,
)
from train_offline.training_record import OutOfFold, TrainingRecord, read_training_record
from train_offline.whole_files import write_whole

REPORT_NAME = "report.html"
PICTURED_CLIPS = 3
MOST_CONFUSIONS = 24


@dataclass(frozen=True)
class Findings:
    """What the page is drawn from."""

    manifest: Manifest
    record: TrainingRecord
    out_of_fold: OutOfFold
    split: Split
    """The curated clips."""


def write_report(data: Path, weights: Path, cache: Path | None = None) -> Path:
    """Writes the page of a weights folder into it; predicts out of fold where the training has left no predictions.

    Args:
        data: the data set that the weights are from.
        weights: a weights folder.
        cache: where spectrograms are kept; None for the user's own cache.

    Raises:
        KernelError: data or weights cannot be used, or do not belong together; or the page cannot be written.
    """
    manifest = read_manifest(weights)
    record = read_training_record(weights)
    split = read_split(data, CURATED, read_vocabulary(data))
    check_that_they_belong_together(manifest, split, weights, data)
    out_of_fold = record.out_of_fold or _predicted(data, weights, cache)
    path = weights / REPORT_NAME
    write_whole(path, report_page(Findings(manifest, record, out_of_fold, split)).encode())
    return path


def _predicted(data: Path, weights: Path, cache: Path | None) -> OutOfFold:
    score = score_weights(data, weights, cache)
    return OutOfFold.averaged(score.labels, score.fnames, score.truth, score.probabilities)


def report_page(findings: Findings) -> str:
    """The page, as HTML."""
    manifest, record, out_of_fold = findings.manifest, findings.record, findings.out_of_fold
    created_with = manifest.created_with
    names = [f"{kind} {created_with[kind]}" for kind in ("recipe", "size") if kind in created_with]
    return page(
        f"Weights: {', '.join(names) or 'of unknown origin'}",
        [
            banner(_score_text(manifest, out_of_fold)),
            table(("", ""), _summary_rows(findings)),
            section("Members", table(*_members_table(findings)), *_other_stages(findings)),
            section("How the learning went", *_curves(record)),
            section("What more views add", *_ladder(manifest)),
            section("The score of each label", paragraph(_LABELS_NOTE), scores_by_label(out_of_fold)),
            section("What was picked from the noisy set", *_picks(record, manifest.labels)),
            section("What is taken for what", *_confusions(out_of_fold)),
            *_pictures(findings),
        ],
    )


_CURVES_NOTE = (
    "The loss is the mean over an epoch, the learning rate that at its end, and the validation lwlrap that of the first"
    " view of each clip of the fold, which the network does not learn from; out of fold, a member is given all views."
)
_LABELS_NOTE = "Out of fold, the best first; behind each bar its lwlrap and how many clips have the label."


def _score_text(manifest: Manifest, out_of_fold: OutOfFold) -> str:
    score = lwlrap(out_of_fold.truth, out_of_fold.probabilities)
    low, high = lwlrap_interval(out_of_fold.truth, out_of_fold.probabilities)
    return (
        f"out-of-fold lwlrap {score:.4f}, between {low:.3f} and {high:.3f} in 95 % of resamples,"
        f" over {len(out_of_fold.fnames):,} clips of {folds_text(manifest)} that the networks had not seen"
    )


def _summary_rows(findings: Findings) -> list[tuple[str, str]]:
    created_with = {key: value for key, value in findings.manifest.created_with.items() if not isinstance(value, dict)}
    versions = findings.manifest.created_with.get("versions")
    rows = [(fact_name(key), "none" if value is None else str(value)) for key, value in created_with.items()]
    if isinstance(versions, dict):
        rows.append(("versions", ", ".join(f"{name} {version}" for name, version in versions.items())))
    rows.append(("labels", str(len(findings.manifest.labels))))
    rows.append(("curated clips", f"{len(findings.split.fnames):,}"))
    return rows


def _members_table(findings: Findings) -> tuple[Sequence[str], list[Sequence[object]]]:
    rows: list[Sequence[object]] = []
    for member in findings.manifest.members:
        epochs = findings.record.epochs.get(member.id, ())
        score = "not measured" if member.oof_lwlrap is None else f"{member.oof_lwlrap:.4f}"
        views = f"{sum(member.view_gains):+.4f}" if member.view_gains else "not measured"
        took = f"{epochs[-1].seconds_s:,.0f}" if epochs else "not noted"
        rate = f"{np.median([epoch.clips_per_s for epoch in epochs]):.1f}" if epochs else "not noted"
        rows.append((member.id, member.fold, member.stage, score, views, len(epochs) or "not noted", took, rate))
    header = ("member", "fold", "stage", "out-of-fold lwlrap", "gained by further views", "epochs", "took s", "clips/s")
    return header, rows


def _other_stages(findings: Findings) -> list[str]:
    """What it took to come to where the members began."""
    members = {member.id for member in findings.manifest.members}
    stages = [
        f"{name}, {len(epochs)} epochs in {epochs[-1].seconds_s:,.0f} s"
        for name, epochs in findings.record.epochs.items()
        if epochs and name not in members
    ]
    return [paragraph(f"Trained as well, and no members: {'; '.join(stages)}.")] if stages else []


def _curves(record: TrainingRecord) -> list[str]:
    if not record.epochs:
        return [paragraph("Not known: there are no notes of the training beside these weights.")]
    return [paragraph(_CURVES_NOTE), *learning_curves(record.epochs)]


def _ladder(manifest: Manifest) -> list[str]:
    if not any(member.view_gains for member in manifest.members):
        return [paragraph("Not known: it was not measured, or no clip has a second view.")]
    return [ladder_of_views(manifest.members)]


def _picks(record: TrainingRecord, labels: Sequence[str]) -> list[str]:
    if not record.picks:
        return [paragraph("Nothing: these weights come from the curated clips alone.")]
    count = sum(map(len, record.picks.values())) / len(record.picks)
    several = "; a whisker goes from the fold with the fewest to the one with the most" if len(record.picks) > 1 else ""
    note = f"{count:,.0f} clips a fold, each for the label by which it was picked{several}."
    return [paragraph(note), picks_by_label(record.picks, labels)]


def _confusions(out_of_fold: OutOfFold) -> list[str]:
    note = "First the label that the clips have, then the one that they do not have and that is ranked above it."
    pairs = worst_confusions(out_of_fold.truth, out_of_fold.probabilities, MOST_CONFUSIONS)
    nothing = paragraph("None: no wrong label is ranked above a right one in two clips or more.")
    worst = worst_pairs(pairs, out_of_fold.labels) if pairs else nothing
    return [paragraph(note), worst, folded("all pairs of labels", confusion_map(out_of_fold))]


def _pictures(findings: Findings) -> list[str]:
    """Only for recipes and sizes that this version knows."""
    created_with = findings.manifest.created_with
    recipe, size = RECIPES.get(str(created_with.get("recipe"))), SIZES.get(str(created_with.get("size")))
    clips = sample_clips(findings.split, size.frontend, PICTURED_CLIPS) if size else []
    if recipe is None or size is None or not clips:
        return []
    return [
        section("What the network sees in training", augmented_pictures(clips, recipe, size)),
        section("In decibels and with PCEN", scalings_picture(clips[0], recipe.size_of_fold(size, 0).frontend)),
    ]
