"""A folder in the competition's layout: the vocabulary, and the labelled clips of a split."""

import csv
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kernel_src.clips import read_clip_list
from kernel_src.errors import KernelError

CURATED = "train_curated"
NOISY = "train_noisy"
TEST = "test"


@dataclass(frozen=True)
class Split:
    """Labelled clips."""

    name: str
    """`train_curated`, `train_noisy` or `test`."""
    fnames: tuple[str, ...]
    """The clips' names."""
    folder: Path
    """Where their files are."""
    labels: tuple[str, ...]
    """The vocabulary, in the order of the submission's columns."""
    targets: npt.NDArray[np.bool_]
    """[clips, labels] which labels a clip has."""

    def paths(self) -> list[Path]:
        """The clips' files."""
        return [self.folder / fname for fname in self.fnames]

    @property
    def digest(self) -> str:
        """A short name for these clips and labels: weights of other data are not to be mixed with theirs."""
        content = hashlib.sha256("\n".join((*self.labels, *self.fnames)).encode())
        content.update(np.packbits(self.targets).tobytes())
        return content.hexdigest()[:16]

    def subset(self, keep: npt.NDArray[np.bool_]) -> "Split":
        """The clips where `keep`, [clips], is true."""
        fnames = tuple(np.asarray(self.fnames)[keep].tolist())
        return Split(self.name, fnames, self.folder, self.labels, self.targets[keep])


def read_vocabulary(data: Path) -> tuple[str, ...]:
    """The labels of a data set, from the header of its sample submission.

    Raises:
        KernelError: the folder or the table is missing or unreadable.
    """
    if not data.is_dir():
        raise KernelError(f"{data}: no such folder; give one in the competition's layout, with sample_submission.csv")
    return read_clip_list(data).labels


def read_split(data: Path, name: str, labels: tuple[str, ...]) -> Split:
    """Reads `NAME.csv`, with columns `fname` and `labels`, and checks that every clip has its file in `NAME/`.

    Args:
        data: the data set's folder.
        name: the split.
        labels: the vocabulary; the table may use no other label.

    Raises:
        KernelError: the table is missing, empty or malformed, or names an unknown label or a missing file.
    """
    table, folder = data / f"{name}.csv", data / name
    rows = _read_rows(table)
    column_of = {label: column for column, label in enumerate(labels)}
    targets = np.zeros((len(rows), len(labels)), np.bool_)
    for index, row in enumerate(rows):
        for label in row.labels.split(","):
            if label not in column_of:
                raise KernelError(
                    f"{table}, line {row.line}: unknown label {label!r}; sample_submission.csv has the {len(labels)}"
                    " labels that are known"
                )
            targets[index, column_of[label]] = True
    fnames = tuple(row.fname for row in rows)
    present = _files_in(folder)
    if missing := [fname for fname in fnames if fname not in present]:
        raise KernelError(
            f"{table}: names {len(missing)} files that are not in {folder}, the first is {missing[0]};"
            " unpack the data set again, or take the rows out"
        )
    return Split(name, fnames, folder, labels, targets)


def _files_in(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file()}  # no links that lead nowhere
    except OSError as error:
        raise KernelError(f"{folder}: cannot be looked into ({error.strerror}); it holds a split's clips") from error


@dataclass(frozen=True)
class _Row:
    line: int
    fname: str
    labels: str


def _read_rows(table: Path) -> list[_Row]:
    """The rows of a split's table, each with its line."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="more")
            found, columns = [(reader.line_num, row) for row in reader], reader.fieldnames
    except OSError as error:
        raise KernelError(f"{table}: cannot be read ({error.strerror}); it lists a split's clips") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise KernelError(f"{table}: is no csv text in UTF-8 ({error}); save it as such") from error
    if not {"fname", "labels"} <= set(columns or ()):
        raise KernelError(f"{table}: expected columns fname and labels, got {columns}")
    if not found:
        raise KernelError(f"{table}: has no rows; there is nothing to learn from")
    line_of: dict[str, int] = {}
    for line, row in found:
        if not row["fname"] or not row["labels"]:
            raise KernelError(f"{table}, line {line}: expected a file name and at least one label")
        if "more" in row:
            raise KernelError(f'{table}, line {line}: has too many columns; several labels go into quotes: "A,B"')
        if (before := line_of.setdefault(row["fname"], line)) != line:
            raise KernelError(f"{table}, line {line}: {row['fname']} is in line {before} already; keep one of them")
    return [_Row(line, row["fname"], row["labels"]) for line, row in found]
