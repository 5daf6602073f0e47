"""Makes what comes next while what is there is being used."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def ahead(make: Callable[[int], Item], indices: Iterable[int], threads: int) -> Generator[Item]:
    """`make(index)` of each index, in order.

    Args:
        make: is called from several threads at once.
        indices: of what.
        threads: how many make ahead, one item each and as many more that wait; 0 makes each when it is asked for.

    Raises:
        Exception: what `make` raised, when it is that item's turn.
    """
    if not threads:
        yield from map(make, indices)
        return
    left = iter(indices)
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        begun: deque[Future[Item]] = deque(pool.submit(make, index) for index in islice(left, 2 * threads))
        try:
            while begun:
                item = begun.popleft().result()
                begun.extend(pool.submit(make, index) for index in islice(left, 1))
                yield item
        finally:
            for future in begun:
                future.cancel()
