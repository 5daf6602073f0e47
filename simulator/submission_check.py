"""Whether Kaggle would accept a submission: the same columns and rows as sample_submission.csv, finite numbers."""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_src.errors import KernelError

SHOWN_NAMES = 3


@dataclass(frozen=True)
class Table:
    """A csv file as text: its columns, and its rows by the order of the file."""

    columns: tuple[str, ...]
    """The header; the first column holds the rows' names."""
    rows: tuple[tuple[str, ...], ...]
    """The cells below it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The first cell of each row."""
        return tuple(row[0] for row in self.rows)


def read_table(path: Path) -> Table:
    """Reads a csv file with a header.

    Raises:
        KernelError: the file is missing, empty or no csv text.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # tables that went through Excel begin with a mark
            lines = [tuple(row) for row in csv.reader(file) if row]
    except FileNotFoundError as error:
        raise KernelError(f"{path} is missing") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise KernelError(f"{path} cannot be read as csv: {error}") from error
    if not lines:
        raise KernelError(f"{path} is empty; expected a header and a row for each clip")
    return Table(columns=lines[0], rows=tuple(lines[1:]))


def submission_faults(submission: Path, sample_submission: Path | None) -> list[str]:
    """What Kaggle would object to, as sentences; empty for a valid submission.

    Accepted: rows in any order, for Kaggle matches them by their name, and any finite number. Not accepted:
    columns in another order, missing, doubled or extra rows, cells that are no finite number where the sample
    has a number.

    Args:
        submission: the file that the kernel wrote.
        sample_submission: the competition's own; None where there is none, and all that is asked is that the
            submission can be read.

    Raises:
        KernelError: the sample itself cannot be read.
    """
    sample = read_table(sample_submission) if sample_submission else None
    try:
        table = read_table(submission)
    except KernelError as error:
        return [f"{error}."]
    if sample is None:
        return []
    if table.columns != sample.columns:
        return [_column_fault(table.columns, sample.columns)]
    return [*_row_faults(table, sample), *_cell_faults(table, sample)]


def _column_fault(columns: Sequence[str], expected: Sequence[str]) -> str:
    if sorted(columns) == sorted(expected):
        return "The columns are in another order than in sample_submission.csv."
    parts = [_listed("lacks", sorted(set(expected) - set(columns))), _listed("has", _surplus(columns, expected))]
    return f"The header {' and '.join(part for part in parts if part)}; expected that of sample_submission.csv."


def _surplus(names: Sequence[str], expected: Sequence[str]) -> list[str]:
    return sorted(Counter(names) - Counter(expected))


def _listed(verb: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{verb} {', '.join(names[:SHOWN_NAMES])}{more}"


def _row_faults(table: Table, sample: Table) -> list[str]:
    counts = Counter(table.names)
    expected = set(sample.names)
    missing = [name for name in sample.names if name not in counts]
    extra = [name for name in counts if name not in expected]
    doubled = [name for name, count in counts.items() if count > 1]
    return [
        f"{len(names):,} of {len(expected):,} rows {what}: {_listed('', names).strip()}."
        for names, what in ((missing, "are missing"), (doubled, "are doubled"), (extra, "should not be there"))
        if names
    ]


def _cell_faults(table: Table, sample: Table) -> list[str]:
    numeric = _numeric_columns(sample)
    ragged = [row[0] for row in table.rows if len(row) != len(table.columns)]
    bad = [
        f"{row[0]} {table.columns[index]} = {row[index]!r}"
        for row in table.rows
        if len(row) == len(table.columns) and not _all_finite(row, numeric)
        for index in numeric
        if not _is_finite(row[index])
    ]
    faults = []
    if ragged:
        faults.append(f"{len(ragged):,} rows have a wrong number of cells: {_listed('', ragged).strip()}.")
    if bad:
        faults.append(f"{len(bad):,} cells hold no finite number: {_listed('', bad).strip()}.")
    return faults


def _numeric_columns(sample: Table) -> list[int]:
    if not sample.rows:
        return list(range(1, len(sample.columns)))
    first = sample.rows[0]
    return [index for index in range(1, len(first)) if _is_finite(first[index])]


def _all_finite(row: Sequence[str], columns: Sequence[int]) -> bool:
    """The same as asking each cell, but ten times as fast for a row that is good."""
    if not _is_plain("".join(row)):
        return False
    try:
        return math.isfinite(math.fsum(float(row[index]) for index in columns))
    except (ValueError, OverflowError):
        return False


def _is_finite(text: str) -> bool:
    try:
        return _is_plain(text) and math.isfinite(float(text))
    except ValueError:
        return False


def _is_plain(text: str) -> bool:
    """Without what only Python takes for a number: 1_000, and the digits of other scripts."""
    return text.isascii() and "_" not in text
