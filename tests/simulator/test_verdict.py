"""One line says whether a kernel kept its promises."""

from dataclasses import replace

import pytest

from kernel_src.limits import KernelLimits
from simulator.kernel_process import Ending
from simulator.verdict import Kind, Observed, judge
from simulator.watch import Crossed

LIMITS = KernelLimits(time_s=3600, memory_bytes=14 * 10**9, disk_bytes=5 * 10**9)
WELL = Ending(returncode=0, wall_s=1.0, cpu_s=1.0)
CRASH = Ending(returncode=1, wall_s=1.0, cpu_s=1.0)


@pytest.mark.parametrize(
    ("observed", "kind"),
    [
        (Observed(ending=WELL, submission_faults=[]), Kind.KEPT),
        (Observed(ending=WELL), Kind.KEPT),
        (Observed(ending=WELL, submission_faults=["Bad."]), Kind.INVALID_SUBMISSION),
        (Observed(ending=WELL, submission_faults=["x is missing."]), Kind.NO_SUBMISSION),
        (Observed(ending=CRASH, submission_faults=[]), Kind.CRASHED),
        (Observed(ending=CRASH, submission_faults=[], disk_was_full=True), Kind.OUT_OF_DISK),
        (Observed(ending=WELL, submission_faults=[], disk_was_full=True), Kind.KEPT),
        (Observed(ending=WELL, submission_faults=[], inputs_changed=True), Kind.CHANGED_INPUTS),
        (Observed(ending=Ending(0, 1.0, 1.0, ("sleep",)), submission_faults=[]), Kind.LEFT_PROCESSES),
        (Observed(crossed=Crossed.MEMORY, ending=WELL, submission_faults=[]), Kind.OUT_OF_MEMORY),
        (Observed(crossed=Crossed.TIME, submission_faults=[]), Kind.LATE),
        (Observed(ending=Ending(0, 3600.5, 1.0), submission_faults=[]), Kind.LATE),
        (Observed(ending=Ending(1, 3600.5, 1.0), submission_faults=[], disk_was_full=True), Kind.LATE),
        (Observed(crossed=Crossed.DISK, submission_faults=[]), Kind.OUT_OF_DISK),
        (Observed(crossed=Crossed.NETWORK, addresses=frozenset({"192.0.2.1 port 80"})), Kind.USED_NETWORK),
        (Observed(crossed=Crossed.SIGTERM, submission_faults=[]), Kind.IGNORED_SIGTERM),
        (Observed(), Kind.CRASHED),
        (Observed(ending=WELL, submission_faults=[], failure="no torch"), Kind.FAILED),
        (Observed(ending=WELL, failure="no torch"), Kind.FAILED),
        (Observed(ending=CRASH, submission_faults=[], failure="no torch"), Kind.CRASHED),
        (Observed(ending=WELL, submission_faults=["Bad."], failure="no torch"), Kind.INVALID_SUBMISSION),
    ],
)
def test_the_first_thing_that_went_wrong_is_the_verdict(observed: Observed, kind: Kind) -> None:
    verdict = judge(LIMITS, observed)
    assert verdict.kind is kind
    assert verdict.good == (kind is Kind.KEPT)
    assert verdict.scored == (kind in {Kind.KEPT, Kind.FAILED})
    assert "\n" not in verdict.text


@pytest.mark.parametrize(
    ("time_s", "words"), [(3600, "3,600 s"), (5400, "5,400 s"), (1.5, "1.5 s"), (3600 / 7, "514 s"), (0.25, "0.25 s")]
)
def test_a_time_limit_is_told_as_people_read_it(time_s: float, words: str) -> None:
    late = judge(replace(LIMITS, time_s=time_s), Observed(crossed=Crossed.TIME))
    assert late.text == f"late: still running after {words}"


@pytest.mark.parametrize(
    ("there_bytes", "words"),
    [
        (None, "more than 14 GB"),
        (14 * 10**9, "more than 14 GB"),
        (6 * 10**9, "this machine had only 6 GB of the 14 GB to give"),
    ],
)
def test_a_kill_for_memory_names_the_limit(there_bytes: int | None, words: str) -> None:
    killed = judge(LIMITS, Observed(crossed=Crossed.MEMORY, most_memory_bytes=there_bytes))
    assert killed.text == f"killed for memory: {words}"


@pytest.mark.parametrize(
    ("returncode", "words"), [(3, "exit code 3"), (-9, "ended by SIGKILL"), (-40, "ended by signal 40")]
)
def test_a_crash_is_told_by_its_code_or_signal(returncode: int, words: str) -> None:
    assert judge(LIMITS, Observed(ending=Ending(returncode, 1.0, 1.0))).text == f"crashed: {words}"
