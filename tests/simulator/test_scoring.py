"""The score of a submission where the truth is known."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.errors import KernelError
from simulator.scoring import read_truth, score_table
from simulator.submission_check import Table
from train_offline.metric import lwlrap

LABELS = ("Bark", "Meow", "Moo")
CLIPS = st.lists(
    st.tuples(st.sets(st.sampled_from(LABELS), min_size=1), st.tuples(*[st.integers(-5, 5)] * len(LABELS))),
    min_size=1,
    max_size=20,
)


@given(clips=CLIPS)
def test_the_score_is_the_competitions_metric(clips: list[tuple[set[str], tuple[int, ...]]]) -> None:
    truth = {f"{index}.wav": frozenset(labels) for index, (labels, _) in enumerate(clips)}
    rows = tuple((f"{index}.wav", *map(str, scores)) for index, (_, scores) in enumerate(clips))
    score = score_table(Table(("fname", *LABELS), rows), truth)
    known = np.array([[label in labels for label in LABELS] for labels, _ in clips])
    assert score is not None
    assert score.lwlrap == pytest.approx(lwlrap(known, np.array([scores for _, scores in clips], float)))
    assert score.clips == len(clips)


def test_only_clips_with_a_truth_count() -> None:
    table = Table(("fname", *LABELS), (("a.wav", "1", "0", "0"), ("b.wav", "1", "0", "0")))
    score = score_table(table, {"a.wav": frozenset({"Bark"})})
    assert score is not None
    assert (score.lwlrap, score.clips) == (1.0, 1)
    assert score_table(table, {}) is None


def test_a_truth_without_a_column_is_refused() -> None:
    table = Table(("fname", *LABELS), (("a.wav", "1", "0", "0"),))
    with pytest.raises(KernelError, match="Quack"):
        score_table(table, {"a.wav": frozenset({"Quack"})})


def test_the_truth_may_have_more_columns(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text('fname,labels,usage\na.wav,"Bark,Moo",Private\n', encoding="utf-8")
    assert read_truth(tmp_path / "test.csv") == {"a.wav": frozenset({"Bark", "Moo"})}
