"""What is made ahead comes in order, and no more of it than is wanted soon."""

import threading
from itertools import count, islice

import pytest

from train_offline.ahead import ahead


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_items_come_in_order(threads: int) -> None:
    assert list(ahead(lambda index: index * index, range(20), threads)) == [index * index for index in range(20)]
    assert list(ahead(abs, [], threads)) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_made_than_will_soon_be_asked_for(threads: int) -> None:
    made: list[int] = []
    items = ahead(lambda index: made.append(index) or index, count(), threads)
    assert list(islice(items, 5)) == [0, 1, 2, 3, 4]
    items.close()
    assert len(made) <= 5 + 2 * threads


def test_the_next_one_is_made_while_one_is_in_use() -> None:
    begun = threading.Event()

    def make(index: int) -> int:
        if index == 1:
            begun.set()
        return index

    items = ahead(make, range(2), 1)
    assert next(items) == 0
    assert begun.wait(10)
    assert next(items) == 1


@pytest.mark.parametrize("threads", [0, 2])
def test_a_failure_comes_when_it_is_its_turn(threads: int) -> None:
    items = ahead(lambda index: 1 // (3 - index), range(9), threads)
    assert list(islice(items, 3)) == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(items)
