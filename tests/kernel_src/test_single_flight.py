"""One computation per key, and every thread gets what came out of it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kernel_src.single_flight import SingleFlight

THREADS = 8


class Computation:
    """Waits until the test lets it go on, and counts how often it ran."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.runs = 0
        self.started = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> object:
        self.runs += 1
        self.started.set()
        self.may_end.wait()
        if self.error is not None:
            raise self.error
        return self


def ask_together(flights: SingleFlight[object], computation: Computation) -> list[object]:
    def ask() -> object:
        try:
            return flights.run("key", computation)
        except (OSError, KeyboardInterrupt) as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(ask)]
        computation.started.wait()
        futures += [pool.submit(ask) for _ in range(THREADS - 1)]
        flight = flights._flights["key"]
        while len(flight._condition._waiters) < THREADS - 1:  # type: ignore[attr-defined]
            threading.Event().wait(0.001)
        computation.may_end.set()
        return [future.result() for future in futures]


def test_one_thread_computes_for_all() -> None:
    flights, computation = SingleFlight[object](), Computation()
    assert ask_together(flights, computation) == [computation] * THREADS
    assert computation.runs == 1


@pytest.mark.parametrize("error", [OSError("no such clip"), KeyboardInterrupt()])
def test_what_the_computation_raised_reaches_every_thread(error: BaseException) -> None:
    flights, computation = SingleFlight[object](), Computation(error)
    assert ask_together(flights, computation) == [error] * THREADS
    assert computation.runs == 1


def test_after_a_failure_the_next_one_tries_again() -> None:
    flights = SingleFlight[int]()
    with pytest.raises(ZeroDivisionError):
        flights.run("key", lambda: 1 // 0)
    assert flights.run("key", lambda: 7) == 7


def test_different_keys_do_not_wait_for_each_other() -> None:
    flights = SingleFlight[int]()
    assert flights.run("outer", lambda: 1 + flights.run("inner", lambda: 1)) == 2
