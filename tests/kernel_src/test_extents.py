"""Free ranges: nothing is given twice, nothing is lost, neighbours are joined, the tightest fit goes first."""

from hypothesis import given
from hypothesis import strategies as st

from kernel_src.extents import Extents, whole_blocks

SIZE = 64


def test_sizes_are_rounded_up_to_at_least_one_block() -> None:
    assert [whole_blocks(n, 10) for n in (0, 1, 10, 11)] == [10, 10, 10, 20]


def test_freed_neighbours_become_one_range() -> None:
    extents = Extents()
    for start in (0, 20, 10):
        extents.add(start, 10)
    assert extents.take(30) == 0


def test_the_smallest_range_that_fits_is_used() -> None:
    extents = Extents()
    for start, size in ((0, 50), (100, 10), (200, 20)):
        extents.add(start, size)
    assert [extents.take(15), extents.take(10), extents.take(60)] == [200, 100, None]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20))))
def test_ranges_never_overlap_and_add_up(steps: list[tuple[bool, int]]) -> None:
    extents, taken = Extents(), {}
    extents.add(0, SIZE)
    for takes, number in steps:
        if takes:
            start = extents.take(number)
            if start is not None:
                assert not any(start < s + n and s < start + number for s, n in taken.items())
                taken[start] = number
        elif taken:
            start = sorted(taken)[number % len(taken)]
            extents.add(start, taken.pop(start))
        assert extents.free_bytes() + sum(taken.values()) == SIZE
    for start, size in taken.items():
        extents.add(start, size)
    assert extents.take(SIZE) == 0
