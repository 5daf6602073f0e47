import subprocess
import sys

import pytest

from kernel_src.budget import CostEstimate, TimeBudget

CODE = "import time; time.sleep(0.5); from kernel_src.budget import process_age_s; print(process_age_s())"


def test_time_counts_from_the_start_of_the_process_and_not_from_the_import() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert 0.5 <= float(run.stdout) < 30


class Clock:
    """Time that passes only when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_reserve_is_never_handed_out() -> None:
    clock = Clock()
    budget = TimeBudget(limit_s=100, stall_s=9, elapsed_s=clock)
    assert budget.reserve_s == 10  # and two writes of a quarter of a second, twice over
    assert budget.left_s == 90
    assert budget.allows(89)
    assert not budget.allows(90)
    clock.now_s = 95.0
    assert budget.left_s == 0
    assert not budget.allows(0)


def test_the_reserve_is_measured_and_never_below_its_floor() -> None:
    budget = TimeBudget(limit_s=3600, stall_s=10, elapsed_s=Clock())
    assert budget.reserve_s == 11
    budget.note_write(3.0)
    assert budget.reserve_s == 10 + 4 * 3
    budget.note_write(1.0)  # the one before was a stall, perhaps
    assert budget.reserve_s == 10 + 4 * 1
    budget.note_write(3.0)
    assert budget.reserve_s == 10 + 4 * 3
    for _ in range(4):
        budget.note_write(0.001)
    assert budget.reserve_s == 11


def test_a_disk_that_stalls_does_not_eat_the_hour() -> None:
    budget = TimeBudget(limit_s=3600, stall_s=10, elapsed_s=Clock())
    budget.note_write(1000.0)
    assert budget.reserve_s == 10 + 2 * 0.05 * 3600


def test_the_last_resort_is_called_after_the_runs_own_write_and_leaves_before_a_stall_may_come() -> None:
    clock = Clock()
    budget = TimeBudget(limit_s=3600, stall_s=10, elapsed_s=clock)
    assert budget.left_s < budget.until_last_call_s < budget.until_leaving_s == 3590
    clock.now_s = 3595.0
    assert (budget.left_s, budget.until_last_call_s, budget.until_leaving_s) == (0, 0, 0)


@pytest.mark.parametrize("limit_s", [0.5, 5, 60])
def test_a_short_limit_keeps_four_fifths_for_the_work(limit_s: float) -> None:
    budget = TimeBudget(limit_s, stall_s=10, elapsed_s=Clock())
    assert budget.left_s >= 0.79 * limit_s


def test_an_estimate_believes_a_slower_machine_but_not_a_single_stall() -> None:
    estimate = CostEstimate(recent=4, margin=2)
    assert estimate.upper_s(5) == 0
    assert estimate.typical_s is None
    for cost_s in (1.0, 1.0, 50.0, 2.0):
        estimate.note(cost_s, units=1)
    assert estimate.upper_s(5) == 20  # twice the second dearest
    estimate.note(50.0, units=1)
    assert estimate.upper_s(5) == 500
    assert estimate.typical_s == pytest.approx(26)
