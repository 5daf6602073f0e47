"""What Kaggle would accept as a submission."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel_src.errors import KernelError
from simulator.submission_check import submission_faults

SAMPLE = [["fname", "Bark", "Meow"], ["a.wav", "0", "0"], ["b.wav", "0", "0"], ["c.wav", "0", "0"]]
VALID = [["fname", "Bark", "Meow"], ["a.wav", "0.5", "1e-3"], ["b.wav", "-2", "0"], ["c.wav", "1", "7"]]
IN_PLACE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)

Rows = Sequence[Sequence[str]]
Check = Callable[[Rows], list[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def run(rows: Rows, sample: Rows = SAMPLE) -> list[str]:
        for name, content in (("submission.csv", rows), ("sample.csv", sample)):
            with (tmp_path / name).open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows(content)
        return submission_faults(tmp_path / "submission.csv", tmp_path / "sample.csv")

    return run


def test_a_valid_submission_has_no_faults(check: Check) -> None:
    assert check(VALID) == []


@given(order=st.permutations(VALID[1:]))
@IN_PLACE
def test_rows_may_come_in_any_order(check: Check, order: Rows) -> None:
    assert check([VALID[0], *order]) == []


@given(value=st.floats())
@IN_PLACE
def test_any_finite_number_is_accepted_and_no_other(check: Check, value: float) -> None:
    rows = [*VALID[:-1], ["c.wav", "1", repr(value)]]
    finite = abs(value) < float("inf")
    assert check(rows) == ([] if finite else [f"1 cells hold no finite number: c.wav Meow = {repr(value)!r}."])


@given(cells=st.lists(st.text(alphabet="0123456789.e-+ naif_٣", max_size=4), min_size=2, max_size=2))
@IN_PLACE
def test_a_cell_is_accepted_exactly_if_it_is_a_finite_number(check: Check, cells: list[str]) -> None:
    def finite(text: str) -> bool:
        try:
            return abs(float(text)) < float("inf") and not set(text) & {"_", "٣"}
        except ValueError:
            return False

    assert bool(check([*VALID[:-1], ["c.wav", *cells]])) == (not all(map(finite, cells)))


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (VALID[:-1], "1 of 3 rows are missing: c.wav."),
        ([*VALID, VALID[1]], "1 of 3 rows are doubled: a.wav."),
        ([*VALID, ["z.wav", "0", "0"]], "1 of 3 rows should not be there: z.wav."),
        (
            [[row[0], row[2], row[1]] for row in VALID],
            "The columns are in another order than in sample_submission.csv.",
        ),
        ([row[:2] for row in VALID], "The header lacks Meow; expected that of sample_submission.csv."),
        ([[*row, "Moo"] for row in VALID], "The header has Moo; expected that of sample_submission.csv."),
        ([*VALID[:-1], ["c.wav", "1"]], "1 rows have a wrong number of cells: c.wav."),
        ([*VALID[:-1], ["c.wav", "1", ""]], "1 cells hold no finite number: c.wav Meow = ''."),
    ],
)
def test_each_fault_is_a_sentence(check: Check, rows: Rows, fault: str) -> None:
    assert check(rows) == [fault]


@pytest.mark.parametrize("marked", ["sample.csv", "submission.csv"])
def test_the_mark_that_excel_begins_a_table_with_is_no_part_of_it(marked: str, tmp_path: Path, check: Check) -> None:
    check(VALID)
    (tmp_path / marked).write_bytes(b"\xef\xbb\xbf" + (tmp_path / marked).read_bytes())
    assert submission_faults(tmp_path / "submission.csv", tmp_path / "sample.csv") == []


def test_text_is_accepted_where_the_sample_has_text(check: Check) -> None:
    sample = [["id", "words", "score"], ["1", "none", "0"]]
    assert check([["id", "words", "score"], ["1", "a dog barks", "0.5"]], sample) == []


def test_missing_and_empty_and_binary_files_are_faults_too(tmp_path: Path, check: Check) -> None:
    check(VALID)
    sample, submission = tmp_path / "sample.csv", tmp_path / "submission.csv"
    submission.write_bytes(b"")
    assert "is empty" in submission_faults(submission, sample)[0]
    submission.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read as csv" in submission_faults(submission, sample)[0]
    submission.unlink()
    assert submission_faults(submission, sample) == [f"{submission} is missing."]


def test_a_sample_that_cannot_be_read_is_not_the_kernels_fault(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match="is missing"):
        submission_faults(tmp_path / "submission.csv", tmp_path / "sample.csv")


def test_without_a_sample_a_submission_need_only_be_readable(tmp_path: Path, check: Check) -> None:
    check(VALID)
    submission = tmp_path / "submission.csv"
    assert submission_faults(submission, None) == []
    submission.write_bytes(b"")
    assert "is empty" in submission_faults(submission, None)[0]
