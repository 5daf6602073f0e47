"""The gate: in use plus promised plus the item stays below 95 % of the least limit, less the reserve."""

from hypothesis import given
from hypothesis import strategies as st
from store_fixtures import FakeReader

from kernel_src.memory_gate import Change, MemoryGate


def gate(reader: FakeReader, limit: int = 10**12, reserve: int = 0) -> MemoryGate:
    return MemoryGate(reader, limit, reserve, spill_at=0.95, resume_at=0.90)


def test_an_item_must_leave_five_percent_and_the_reserve() -> None:
    asked = gate(FakeReader(used=500, limit=1000), reserve=100)
    assert asked.enter(349).granted
    asked.leave(349)
    assert not asked.enter(350).granted


def test_the_lesser_limit_holds() -> None:
    assert not gate(FakeReader(used=0, limit=1000), limit=100).enter(95).granted
    assert not gate(FakeReader(used=0, limit=100), limit=1000).enter(95).granted
    assert not gate(FakeReader(used=0, limit=None), limit=100).enter(95).granted


def test_a_promise_counts_until_it_is_kept() -> None:
    asked = gate(FakeReader(limit=1000))
    assert asked.enter(600).granted
    assert not asked.enter(600).granted
    asked.leave(600)
    assert asked.enter(600).granted


def test_after_a_refusal_only_the_lower_mark_opens_the_gate() -> None:
    reader = FakeReader(used=950, limit=1000)
    asked = gate(reader)
    changes = []
    for used in (950, 920, 900, 880, 940, 930):
        reader.used = used
        admission = asked.enter(10)
        changes.append((admission.granted, admission.change))
        if admission.granted:
            asked.leave(10)
    assert changes == [
        (False, Change.SPILL_BEGAN),
        (False, None),
        (False, None),
        (True, Change.SPILL_ENDED),
        (False, Change.SPILL_BEGAN),
        (False, None),
    ]


def test_a_limit_that_shrinks_while_neighbours_grow_is_seen() -> None:
    reader = FakeReader(used=100, limit=1000)
    asked = gate(reader)
    assert asked.enter(10).granted
    reader.limit = 115
    assert not asked.enter(10).granted


@given(st.lists(st.integers(1, 300)), st.integers(0, 1000))
def test_what_is_granted_together_never_passes_the_mark(sizes: list[int], used: int) -> None:
    asked = gate(FakeReader(used=used, limit=1000))
    granted = [size for size in sizes if asked.enter(size).granted]
    assert not granted or used + sum(granted) < 950
