import subprocess
import sys

from kernel_src.budget import CostEstimate, TimeBudget

CODE = "import time; time.sleep(0.5); from kernel_src.budget import process_age_s; print(process_age_s())"


def test_time_counts_from_the_start_of_the_process_and_not_from_the_import() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert 0.5 <= float(run.stdout) < 30


def test_the_reserve_is_never_handed_out() -> None:
    now_s = 0.0
    budget = TimeBudget(limit_s=100, reserve_s=10, elapsed_s=lambda: now_s)
    assert budget.left_s == 90
    assert budget.allows(89)
    assert not budget.allows(90)
    now_s = 95.0
    assert budget.left_s == 0
    assert not budget.allows(0)
    assert budget.until_limit_s == 5


def test_an_estimate_looks_at_the_worst_of_the_recent_costs() -> None:
    estimate = CostEstimate(recent=3, margin=2)
    assert estimate.upper_s(5) == 0
    for cost_s in (50.0, 1.0, 2.0, 1.0):
        estimate.note(cost_s, units=1)
    assert estimate.upper_s(5) == 20  # the stall of 50 s is forgotten, twice the worst of the last three counts
