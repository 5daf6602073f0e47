"""The score of a submission, where the true labels are known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_src.errors import KernelError
from simulator.submission_check import Table, read_table

Truth = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Score:
    """How well a submission ranks the labels."""

    lwlrap: float
    """Label-weighted label-ranking average precision."""
    clips: int
    """How many clips it was taken over."""


def read_truth(path: Path) -> Truth:
    """The true labels of each clip, from a table that begins `fname,labels`.

    Raises:
        KernelError: the table has other columns, or a row has no labels.
    """
    table = read_table(path)
    if table.columns[:2] != ("fname", "labels"):
        raise KernelError(f"{path} begins {','.join(table.columns[:2])}; expected fname,labels")
    if unlabelled := [row[0] for row in table.rows if not "".join(row[1:2])]:
        raise KernelError(f"{path}: {unlabelled[0]} has no labels; give it some, or take its row out")
    return {row[0]: frozenset(row[1].split(",")) for row in table.rows}


def check_truth(truth: Truth, columns: Sequence[str]) -> None:
    """Refuses a truth that could not be scored.

    Args:
        truth: the labels of each clip.
        columns: of the submission; all but the first are labels.

    Raises:
        KernelError: a true label has no column.
    """
    unknown = set().union(*truth.values()) - set(columns[1:])
    if unknown:
        raise KernelError(f"the truth names {sorted(unknown)[:3]}, for which the submission has no column")


def score_submission(submission: Path, truth: Truth) -> Score | None:
    """Lwlrap over the clips whose labels are known; None where no such clip is in the submission.

    Args:
        submission: a valid submission; the first column names the clips.
        truth: the labels of each clip.

    Raises:
        KernelError: a true label has no column, or the submission cannot be read.
    """
    return score_table(read_table(submission), truth)


def score_table(table: Table, truth: Truth) -> Score | None:
    """The same for a table in memory."""
    if not any(row[0] in truth for row in table.rows):
        return None
    import numpy as np  # noqa: PLC0415 - most rehearsals have nothing to score

    from train_offline.metric import lwlrap  # noqa: PLC0415 - the same

    check_truth(truth, table.columns)
    labels = table.columns[1:]
    rows = [row for row in table.rows if row[0] in truth]
    scores = np.array([row[1:] for row in rows], dtype=np.float64)  # [clips, labels]
    known = np.array([[label in truth[row[0]] for label in labels] for row in rows])
    return Score(lwlrap=lwlrap(known, scores), clips=len(rows))
