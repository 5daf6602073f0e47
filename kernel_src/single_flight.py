"""One computation per key, however many threads ask for it at the same time."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Runs a function for the first thread that asks for a key; the others wait for what comes out of it.

    A function must not ask for its own key again: it would wait for itself.
    """

    def __init__(self) -> None:
        self._flights: dict[str, Future[Result]] = {}
        self._lock = threading.Lock()

    def run(self, key: str, function: Callable[[], Result]) -> Result:
        """What `function` returns, in this thread or in the one that came first.

        Raises:
            BaseException: what `function` raised, to every thread that waits; the next to ask tries again.
        """
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        return self._lead(key, flight, function) if leads else flight.result()

    def _lead(self, key: str, flight: "Future[Result]", function: Callable[[], Result]) -> Result:
        try:
            result = function()
        except BaseException as error:
            self._land(key)
            flight.set_exception(error)
            raise
        self._land(key)
        flight.set_result(result)
        return result

    def _land(self, key: str) -> None:
        with self._lock:
            del self._flights[key]
