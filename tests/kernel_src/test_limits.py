import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_src.errors import KernelError
from kernel_src.limits import limits_from_table, parse_bytes, parse_duration_s

TABLE = {"time": "1h", "commit_time": "5m", "memory": "14GB", "disk": "5GB"}


@pytest.mark.parametrize(("text", "seconds_s"), [("1h", 3600), ("90m", 5400), ("60s", 60), ("250ms", 0.25), (7, 7)])
def test_durations_are_read_as_people_write_them(text: str | int, seconds_s: float) -> None:
    assert parse_duration_s(text) == seconds_s


@pytest.mark.parametrize(("text", "size_bytes"), [("14GB", 14 * 10**9), ("1.5 MB", 1_500_000), ("12B", 12)])
def test_a_gigabyte_is_a_thousand_million_bytes(text: str, size_bytes: int) -> None:
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["", "h", "1 fortnight", "-3s", "0s", "1h30", "nan"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(KernelError, match="such as"):
        parse_duration_s(text)


@pytest.mark.parametrize("text", [14, "14", 14.0, "14gb", "14 GiB", True, "0GB", -1, "-1GB", float("nan")])
def test_what_is_no_size_is_refused_with_an_example(text: str | float) -> None:
    """Nobody who writes 14 means bytes."""
    with pytest.raises(KernelError, match='such as "14GB"'):
        parse_bytes(text)


@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m", "h"]))
def test_spaces_do_not_matter(number: int, unit: str) -> None:
    assert parse_duration_s(f" {number} {unit} ") == parse_duration_s(f"{number}{unit}")


def test_the_run_on_commit_has_a_limit_of_its_own() -> None:
    assert limits_from_table(TABLE, commit_run=True).time_s == 300
    assert limits_from_table(TABLE).time_s == 3600


@pytest.mark.parametrize("commit_run", [True, False])
@pytest.mark.parametrize("key", sorted({*TABLE, "time_reserve", "memory_reserve", "disk_reserve"}))
def test_each_run_refuses_what_the_other_could_not_read(key: str, commit_run: bool) -> None:
    """A mistake that only the hidden re-run finds costs everything."""
    with pytest.raises(KernelError, match=rf"^kernel.toml \[limits\] {key}: cannot read 'some'.*such as"):
        limits_from_table({**TABLE, key: "some"}, commit_run=commit_run)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"memroy": "1GB"}, "unknown"), ({"time": "soon"}, "soon"), ({"disk": None}, "disk")],
)
def test_a_wrong_limits_table_is_refused_by_name(change: dict[str, str | None], word: str) -> None:
    table = {key: value for key, value in {**TABLE, **change}.items() if value is not None}
    with pytest.raises(KernelError, match=word):
        limits_from_table(table)
