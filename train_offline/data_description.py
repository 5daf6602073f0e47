"""What there is to know of a data set: its labels and their company, its clips, and which of them are no good."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kernel_src.clips import read_clip_list
from kernel_src.errors import KernelError
from train_offline.data_survey import ClipFacts, survey
from train_offline.dataset import CURATED, NOISY, TEST, Split, read_split, read_vocabulary
from train_offline.known_bad_clips import WRONG_LABELS, known_bad_among

MOST_NAMED = 5


@dataclass(frozen=True)
class DescribedSplit:
    """A split and what was heard in it."""

    name: str
    clips: tuple[ClipFacts, ...]
    labels: tuple[str, ...]
    """The vocabulary."""
    targets: npt.NDArray[np.bool_] | None
    """[clips, labels]; None where the labels are not known."""

    @property
    def readable(self) -> list[ClipFacts]:
        """The clips that can be read."""
        return [clip for clip in self.clips if not clip.failure]

    @property
    def hours(self) -> float:
        """All clips together, in hours."""
        return sum(clip.seconds_s for clip in self.clips) / 3600

    def labels_of(self, clip: int) -> tuple[str, ...]:
        """The labels of a clip, by its place; () where they are not known."""
        return () if self.targets is None else tuple(np.asarray(self.labels)[self.targets[clip]].tolist())


@dataclass(frozen=True)
class Finding:
    """A clip to look at."""

    split: str
    fname: str
    kind: str
    """Such as `silent`."""
    detail: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class DataDescription:
    """A data set."""

    folder: Path
    splits: tuple[DescribedSplit, ...]
    findings: tuple[Finding, ...]


def describe(data: Path) -> DataDescription:
    """Listens to all clips of a data set; the labels of a test set are not looked at.

    Args:
        data: a folder in the competition's layout.

    Raises:
        KernelError: there is no such folder, or a table does not fit.
    """
    labels = read_vocabulary(data)
    splits = [
        _described(read_split(data, name, labels)) for name in (CURATED, NOISY) if (data / f"{name}.csv").exists()
    ]
    if not splits:
        raise KernelError(f"{data}: has neither {CURATED}.csv nor {NOISY}.csv; there is nothing to describe")
    test = read_clip_list(data)
    if test.folder.is_dir():
        splits.append(DescribedSplit(TEST, tuple(survey(TEST, test.folder, test.fnames)), labels, targets=None))
    findings = [*_bad_clips(splits), *_copies(splits)]
    return DataDescription(data, tuple(splits), tuple(findings))


def _described(split: Split) -> DescribedSplit:
    return DescribedSplit(
        split.name, tuple(survey(split.name, split.folder, split.fnames)), split.labels, split.targets
    )


def _bad_clips(splits: Sequence[DescribedSplit]) -> list[Finding]:
    found = []
    for split in splits:
        known = set(known_bad_among(clip.fname for clip in split.clips))
        for number, clip in enumerate(split.clips):
            labels = split.labels_of(number)
            if clip.failure:
                found.append(Finding(split.name, clip.fname, "unreadable", clip.failure, labels))
            if clip.fname in known:
                reason = "wrong labels" if Path(clip.fname).stem in WRONG_LABELS else "no signal"
                found.append(Finding(split.name, clip.fname, "known bad", reason, labels))
            if clip.is_silent:
                found.append(Finding(split.name, clip.fname, "silent", f"loudest sample {clip.peak:.2g}", labels))
            if clip.is_clipped:
                detail = f"{clip.clipped_share:.2%} of its samples at full scale"
                found.append(Finding(split.name, clip.fname, "clipped", detail, labels))
    return sorted(found, key=lambda finding: _KINDS.index(finding.kind))


_KINDS = ("unreadable", "known bad", "silent", "clipped", "copy")


def _copies(splits: Sequence[DescribedSplit]) -> list[Finding]:
    """Clips whose audio is another one's, each after the first of its kind."""
    places: dict[str, list[tuple[DescribedSplit, int]]] = defaultdict(list)
    for split in splits:
        for number, clip in enumerate(split.clips):
            if clip.digest:
                places[clip.digest].append((split, number))
    found = []
    for first, *others in places.values():
        original, its_labels = first[0].clips[first[1]].fname, first[0].labels_of(first[1])
        for split, number in others:
            labels = split.labels_of(number)
            differ = bool(labels and its_labels and labels != its_labels)
            detail = f"of {original} in {first[0].name}" + (f", labelled {', '.join(its_labels)}" if differ else "")
            found.append(Finding(split.name, split.clips[number].fname, "copy", detail, labels))
    return found


def company(targets: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """[labels, labels] how many clips have both; the diagonal is 0.

    Args:
        targets: [clips, labels].
    """
    whole = targets.astype(np.intp)
    counts = whole.T @ whole
    np.fill_diagonal(counts, 0)
    return counts


def summary_rows(description: DataDescription) -> list[tuple[str, ...]]:
    """A row for each split, below `SUMMARY_HEADER`."""
    return [_summary_row(split, description.findings) for split in description.splits]


SUMMARY_HEADER = ("split", "clips", "hours", "seconds", "labels a clip", "clips a label", *_KINDS)


def _summary_row(split: DescribedSplit, findings: Sequence[Finding]) -> tuple[str, ...]:
    seconds_s = [clip.seconds_s for clip in split.readable]
    lengths = "-"
    if seconds_s:
        lengths = f"{min(seconds_s):.1f} to {max(seconds_s):.1f}, median {np.median(seconds_s):.1f}"
    a_clip = a_label = "-"
    if split.targets is not None:
        counts = split.targets.sum(axis=0)
        a_clip = f"{split.targets.sum() / len(split.targets):.3f}"
        a_label = f"{counts.min()} to {counts.max()}"
    numbers = [sum(found.kind == kind and found.split == split.name for found in findings) for kind in _KINDS]
    return (split.name, f"{len(split.clips):,}", f"{split.hours:.2f}", lengths, a_clip, a_label, *map(str, numbers))


def summary_text(description: DataDescription) -> str:
    """The description for a terminal: a table, and the clips to look at by kind, the first few of them."""
    rows = [SUMMARY_HEADER, *summary_rows(description)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(SUMMARY_HEADER))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for kind in _KINDS:
        found = [finding for finding in description.findings if finding.kind == kind]
        if found:
            named = "; ".join(f"{item.split}/{item.fname} ({item.detail})" for item in found[:MOST_NAMED])
            more = f"; and {len(found) - MOST_NAMED:,} more" if len(found) > MOST_NAMED else ""
            lines.append(f"{kind}: {named}{more}")
    return "\n".join(lines)
