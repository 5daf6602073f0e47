"""The axes of charts: where values lie, which of them get a tick, and how numbers are written."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MOST_POINTS = 1200
TICKS = 6
NICE_STEPS = (1, 2, 2.5, 5, 10)
SHORTEST_AXIS = 1e-9


@dataclass(frozen=True)
class Scale:
    """The values of an axis and where they lie in the picture."""

    low: float
    """The value at its beginning."""
    high: float
    """The value at its end."""
    begin_px: float
    """Where it begins."""
    end_px: float
    """Where it ends."""

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.begin_px + share * (self.end_px - self.begin_px), 2)


def ticks(low: float, high: float, most: int = TICKS, *, whole: bool = False) -> list[float]:
    """Round numbers between two values, about as many as are wanted; whole ones for what is counted in wholes."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    steps = [power * nice for nice in NICE_STEPS if span / (power * nice) <= most]
    step = next((step for step in steps if step.is_integer()), 1.0) if whole else steps[0]
    first = math.ceil(low / step)
    return [round(number * step, 12) for number in range(first, math.floor(high / step) + 1)]


def thinned(points: Sequence[tuple[float, float]], most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """At most about so many points, with the highest and the lowest of each stretch among them."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(2 * len(points) / most)
    kept: list[tuple[float, float]] = [points[0]]
    for begin in range(1, len(points) - 1, size):
        stretch = points[begin : min(begin + size, len(points) - 1)]
        height: Callable[[tuple[float, float]], float] = lambda point: point[1]  # noqa: E731
        kept += sorted({min(stretch, key=height), max(stretch, key=height)})
    return [*kept, points[-1]]


def number_text(value: float) -> str:
    """A number as short as it can be said: 4 digits that count, thousands apart."""
    if value and not 1e-4 <= abs(value) < 1e15:
        return f"{value:.3g}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def end_after(values: Sequence[float]) -> float:
    """The end of an axis that begins at 0."""
    return max(values) if max(values) > SHORTEST_AXIS else 1.0


def room_for(values: Sequence[float], *, from_zero: bool) -> tuple[float, float]:
    """The ends of an axis with a little room around its values."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.08 * max(high - low, 0.02 * abs(high), SHORTEST_AXIS)
    return (0.0 if from_zero and low == 0 else low - margin), high + margin
