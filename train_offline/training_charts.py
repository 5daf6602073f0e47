"""Charts of a training: its learning curves, its scores by label, what it picked and what it confuses."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kernel_src.manifest import Member
from train_offline.chart_scale import number_text
from train_offline.confusions import Confusion, outranked
from train_offline.drawing import Series, line_chart
from train_offline.label_charts import Row, bar_rows, heat_map
from train_offline.metric import lwlrap_per_label
from train_offline.training_record import Epoch, OutOfFold, Pick

Epochs = Mapping[str, Sequence[Epoch]]


def learning_curves(epochs: Epochs) -> list[str]:
    """Loss, learning rate and, where it was measured, lwlrap over the epochs, a line for each member."""
    charts = [
        _curve(epochs, lambda epoch: epoch.loss, "loss", from_zero=True),
        _curve(epochs, lambda epoch: epoch.learning_rate, "learning rate", from_zero=True),
    ]
    if any(epoch.val_lwlrap is not None for member in epochs.values() for epoch in member):
        charts.insert(1, _curve(epochs, lambda epoch: epoch.val_lwlrap, "validation lwlrap", from_zero=False))
    return charts


def _curve(epochs: Epochs, value: Callable[[Epoch], float | None], name: str, *, from_zero: bool) -> str:
    lines = [
        Series(member, [(epoch.epoch, y) for epoch in done if (y := value(epoch)) is not None])
        for member, done in epochs.items()
    ]
    return line_chart(
        lines, title=f"{name} over the epochs", x_label="epoch", y_label=name, from_zero=from_zero, x_whole=True
    )


def ladder_of_views(members: Sequence[Member]) -> str:
    """How each member's score grows with the views that it is given."""
    lines = [
        Series(member.id, list(enumerate(np.cumsum([first, *member.view_gains]).tolist(), start=1)))
        for member in members
        if member.oof_lwlrap is not None and member.view_gains
        for first in [member.oof_lwlrap - sum(member.view_gains)]
    ]
    return line_chart(
        lines,
        title="lwlrap over the views",
        x_label="views of each clip",
        y_label="lwlrap",
        from_zero=False,
        x_whole=True,
    )


def scores_by_label(out_of_fold: OutOfFold) -> str:
    """A bar for each label, the best first."""
    scores = lwlrap_per_label(out_of_fold.truth, out_of_fold.probabilities)
    counts = out_of_fold.truth.sum(axis=0)
    order = sorted(
        range(len(scores)), key=lambda label: (counts[label] == 0, -scores[label], out_of_fold.labels[label])
    )
    rows = [
        Row(
            out_of_fold.labels[label],
            float(scores[label]),
            f"{scores[label]:.2f} · {counts[label]}" if counts[label] else "no clip",
            f"{out_of_fold.labels[label]}: lwlrap {scores[label]:.4f} over {counts[label]} clips",
        )
        for label in order
    ]
    return bar_rows(rows, title="out-of-fold lwlrap of each label", x_label="lwlrap", columns=2, x_end=1.0)


def picks_by_label(picks: Mapping[int, Sequence[Pick]], labels: Sequence[str]) -> str:
    """How many clips of the noisy set a fold picked for each label, in the mean over folds."""
    by_fold = {fold: Counter(pick.label for pick in picked) for fold, picked in picks.items()}
    means = {label: sum(counts[label] for counts in by_fold.values()) / len(by_fold) for label in labels}
    rows = [
        Row(
            label,
            means[label],
            number_text(round(means[label], 1)),
            f"{label}: " + ", ".join(f"{counts[label]} in fold {fold}" for fold, counts in by_fold.items()),
            whisker=(
                min(counts[label] for counts in by_fold.values()),
                max(counts[label] for counts in by_fold.values()),
            ),
            colour=2,
        )
        for label in sorted(labels, key=lambda label: (-means[label], label))
    ]
    return bar_rows(
        rows,
        title="picks from the noisy set for each label",
        x_label="clips, mean of the folds",
        columns=2,
        whole=True,
    )


def worst_pairs(pairs: Sequence[Confusion], names: Sequence[str]) -> str:
    """The pairs of labels that are confused most; `names` are the labels'."""
    rows = [
        Row(
            f"{names[pair.true]} → {names[pair.wrong]}",
            pair.clips / pair.of,
            f"{pair.clips} of {pair.of}",
            f"{names[pair.wrong]} is ranked above {names[pair.true]} in {pair.clips} of {pair.of} clips",
            colour=1,
        )
        for pair in pairs
    ]
    return bar_rows(
        rows,
        title="the worst confusions",
        x_label="share of the clips with the first label in which the second one is ranked above it",
        x_end=1.0,
    )


def confusion_map(out_of_fold: OutOfFold) -> str:
    """All pairs of labels as a heat map."""
    counts = outranked(out_of_fold.truth, out_of_fold.probabilities)
    totals = out_of_fold.truth.sum(axis=0)
    names = out_of_fold.labels
    tips = [
        [
            f"{names[wrong]} above {names[true]} in {counts[true, wrong]} of {totals[true]} clips"
            for wrong in range(len(names))
        ]
        for true in range(len(names))
    ]
    shares = counts / np.maximum(totals, 1)[:, None]
    return heat_map(
        shares.tolist(),
        names,
        title="confusions of all labels",
        row_label="label that the clip has",
        column_label="wrong label that is ranked above it",
        tips=tips,
    )
