"""A data set, drawn on one page that opens without a network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from train_offline.data_description import (
    SUMMARY_HEADER,
    DataDescription,
    DescribedSplit,
    company,
    summary_rows,
)
from train_offline.histogram import histogram
from train_offline.label_charts import Row, bar_rows, heat_map
from train_offline.page import folded, page, paragraph, section, table
from train_offline.whole_files import write_whole

MOST_FINDINGS = 1000
MOST_PAIRS = 20


def write_data_report(description: DataDescription, path: Path) -> Path:
    """Writes the page.

    Raises:
        KernelError: it cannot be written.
    """
    write_whole(path, data_report_page(description).encode())
    return path


def data_report_page(description: DataDescription) -> str:
    """The page, as HTML."""
    longest_s = max((clip.seconds_s for split in description.splits for clip in split.clips), default=0.0)
    return page(
        f"Data: {description.folder.resolve().name}",
        [
            table(*_across(SUMMARY_HEADER, summary_rows(description))),
            section("Clips to look at", *_findings(description)),
            *(
                section(f"How long the clips of {split.name} are", _lengths(split, longest_s, number))
                for number, split in enumerate(description.splits)
            ),
            *(
                section(f"Labels of {split.name}", *_labels(split, number))
                for number, split in enumerate(description.splits)
                if split.targets is not None
            ),
        ],
    )


def _across(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The same table with a column for each split, for it has more facts than splits."""
    first, *others = zip(header, *rows, strict=True)
    return ("", *first[1:]), list(others)


def _findings(description: DataDescription) -> list[str]:
    found = description.findings
    if not found:
        return [paragraph("None: all can be read, and none is silent, clipped, a copy or known to be bad.")]
    rows = [(item.split, item.fname, item.kind, item.detail, ", ".join(item.labels)) for item in found[:MOST_FINDINGS]]
    more = f", the first {MOST_FINDINGS:,} of them" if len(found) > MOST_FINDINGS else ""
    return [paragraph(_KINDS_NOTE), folded(f"{len(found):,} clips{more}", table(_FINDING_HEADER, rows))]


_FINDING_HEADER = ("split", "clip", "what", "", "labels")
_KINDS_NOTE = (
    "Silent: the loudest sample is 60 dB below full scale or quieter. Clipped: more than one sample in ten thousand is"
    " in a run at full scale. Copy: the same samples as an earlier clip, silence at both ends left out. Known bad:"
    " those of Freesound Audio Tagging 2019 that are left out of training."
)


def _lengths(split: DescribedSplit, longest_s: float, colour: int) -> str:
    return histogram(
        [clip.seconds_s for clip in split.readable],
        title=f"durations of {split.name}",
        x_label="s",
        y_label="clips",
        x_end=longest_s,
        colour=colour,
    )


def _labels(split: DescribedSplit, colour: int) -> list[str]:
    assert split.targets is not None, "only labelled splits have labels to draw"
    counts = split.targets.sum(axis=0).tolist()
    seconds_s = np.array([clip.seconds_s for clip in split.clips])
    minutes = (seconds_s @ split.targets / 60).tolist()
    order = sorted(range(len(counts)), key=lambda label: (-counts[label], split.labels[label]))
    rows = [
        Row(
            split.labels[label],
            counts[label],
            f"{counts[label]:,}",
            f"{split.labels[label]}: {counts[label]:,} clips, {minutes[label]:.1f} minutes",
            colour=colour,
        )
        for label in order
    ]
    chart = bar_rows(rows, title=f"clips with each label in {split.name}", x_label="clips", columns=2, whole=True)
    return [chart, *_company(split, counts, colour)]


def _company(split: DescribedSplit, counts: list[int], colour: int) -> list[str]:
    """Which labels occur together."""
    assert split.targets is not None
    together = company(split.targets)
    if not together.any():
        return [paragraph("Each clip has one label.")]
    names = split.labels
    pairs = [(int(together[a, b]), a, b) for a, b in np.argwhere(np.triu(together)).tolist()]
    rows = [
        Row(f"{names[a]} + {names[b]}", count, f"{count:,} of {counts[a]:,} and {counts[b]:,}", colour=colour)
        for count, a, b in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:MOST_PAIRS]
    ]
    shares = together / np.maximum(counts, 1)[:, None]
    tips = [
        [f"{together[a, b]} of {counts[a]} clips with {names[a]} have {names[b]} too" for b in range(len(names))]
        for a in range(len(names))
    ]
    whole = heat_map(
        shares.tolist(),
        names,
        title=f"company of the labels in {split.name}",
        row_label="of the clips with this label",
        column_label="so many have this one too",
        tips=tips,
    )
    several = float((split.targets.sum(axis=1) > 1).mean())
    return [
        paragraph(f"{several:.1%} of the clips have several labels; those that are most often together:"),
        bar_rows(rows, title=f"pairs of labels in {split.name}", x_label="clips with both", whole=True),
        folded("all pairs of labels", whole),
    ]
