"""docs/bundling.md says what is so."""

from benchmarks.bundlers import BEGIN, CHECKOUT, DOCUMENT, END, TESTS, behaviours_in, read_verdicts, sentence, word


def test_the_table_has_a_row_for_each_behaviour_and_ours_does_them_all():
    table = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].splitlines()[2:]
    rows = [row.removeprefix("| ").split(" | ") for row in table if not row.startswith("| **")]
    files = [CHECKOUT / "tests" / "bundler" / name for names in TESTS.values() for name in names]
    behaviours = [sentence(name) for file in files for name in behaviours_in(file)]
    assert [row[0] for row in rows] == behaviours
    assert {row[1] for row in rows} == {"yes"}


def test_the_options_of_the_command_stand_in_it():
    text = DOCUMENT.read_text()
    for option in ("--check", "--smoke", "--notebook", "--probe", "--project", "--out", "--weights"):
        assert f"{option}" in text


def test_a_row_tells_how_many_runs_passed():
    assert [word(runs) for runs in ([], [True], [False], [True, False])] == ["not run", "yes", "no", "1 of 2"]
    assert read_verdicts([]) == {}
