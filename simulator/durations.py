"""How long the clips of a test set are, where only their mean is known."""

import math
import random

SHORTEST_S = 0.3
LONGEST_S = 30.0
LEAST_MEAN_S = 0.5
MOST_MEAN_S = 15.0
HALVINGS = 100


def draw_durations_s(count: int, mean_s: float, rng: random.Random) -> list[float]:
    """Durations between 0.3 s and 30 s with a given mean: many short ones and few long ones, in any order.

    They follow the exponential distribution cut off at both ends, which says no more than ends and mean do. Each comes
    from a slice of its own of that distribution, so that every seed gives the same sum, which a run's time hangs on.

    Args:
        count: how many.
        mean_s: their mean, from 0.5 s to 15 s.
        rng: decides who gets which.
    """
    width_s = LONGEST_S - SHORTEST_S
    rate = _rate_for(mean_s - SHORTEST_S, width_s)
    cut_off = -math.expm1(-rate * width_s)
    durations_s = [SHORTEST_S - math.log1p(-cut_off * (index + 0.5) / count) / rate for index in range(count)]
    rng.shuffle(durations_s)
    return durations_s


def _rate_for(mean_s: float, width_s: float) -> float:
    """The rate of an exponential distribution that is cut off at `width_s` and has this mean."""
    low, high = 1e-6, 10.0
    for _ in range(HALVINGS):
        rate = math.sqrt(low * high)
        if 1 / rate - width_s / math.expm1(rate * width_s) > mean_s:
            low = rate
        else:
            high = rate
    return math.sqrt(low * high)
