"""The one line that says whether a kernel kept its promises."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kernel_src.limits import KernelLimits
from simulator.amounts import gigabytes_text, seconds_text
from simulator.kernel_process import Ending
from simulator.watch import Crossed


class Kind(StrEnum):
    """What became of a run."""

    KEPT = "kept"
    LATE = "late"
    OUT_OF_MEMORY = "out of memory"
    OUT_OF_DISK = "out of disk"
    USED_NETWORK = "used the network"
    CHANGED_INPUTS = "changed its inputs"
    IGNORED_SIGTERM = "ignored SIGTERM"
    CRASHED = "crashed"
    LEFT_PROCESSES = "left processes behind"
    NO_SUBMISSION = "no submission"
    INVALID_SUBMISSION = "invalid submission"
    FAILED = "failed"


@dataclass(frozen=True)
class Verdict:
    """The judgement of a run."""

    kind: Kind
    """What became of it."""
    text: str
    """The same as a sentence."""

    @property
    def good(self) -> bool:
        """Whether the run kept its promises."""
        return self.kind is Kind.KEPT

    @property
    def scored(self) -> bool:
        """Whether Kaggle would have scored the run, for good or ill."""
        return self.kind in {Kind.KEPT, Kind.FAILED}


@dataclass(frozen=True)
class Observed:
    """What is known of a run when it is judged."""

    crossed: Crossed | None = None
    """The line that it crossed, if any."""
    ending: Ending | None = None
    """How its main process ended; None where it was killed."""
    submission_faults: Sequence[str] | None = None
    """What is wrong with its submission; None where there is no sample to compare it with."""
    inputs_changed: bool = False
    """Whether its inputs are not what they were."""
    addresses: frozenset[str] = frozenset()
    """The addresses outside that it talked to."""
    most_memory_bytes: int | None = None
    """What it could have of the memory; None for all of its limit."""
    disk_was_full: bool = False
    """Whether the disk was full at some moment."""
    failure: str | None = None
    """What ended the run from within, as it noted itself; on the hidden test set that is no bad exit code."""


def judge(limits: KernelLimits, observed: Observed) -> Verdict:
    """The verdict on a run; of several faults the one that ended it counts."""
    return (
        _judge_crossing(limits, observed)
        or _judge_ending(limits, observed)
        or _judge_traces(observed)
        or _judge_submission(observed.submission_faults)
        or _judge_course(observed)
    )


def _judge_crossing(limits: KernelLimits, observed: Observed) -> Verdict | None:
    match observed.crossed:
        case None:
            return None
        case Crossed.MEMORY:
            return Verdict(Kind.OUT_OF_MEMORY, f"killed for memory: {_memory_text(limits, observed)}")
        case Crossed.DISK:
            return Verdict(Kind.OUT_OF_DISK, f"stopped for disk: more than {gigabytes_text(limits.disk_bytes)}")
        case Crossed.TIME:
            return Verdict(Kind.LATE, f"late: still running after {seconds_text(limits.time_s)}")
        case Crossed.SIGTERM:
            return Verdict(Kind.IGNORED_SIGTERM, "killed: it did not leave after SIGTERM")
        case Crossed.NETWORK:
            return Verdict(Kind.USED_NETWORK, f"stopped: it connected to {', '.join(sorted(observed.addresses))}")


def _memory_text(limits: KernelLimits, observed: Observed) -> str:
    limit, there_bytes = gigabytes_text(limits.memory_bytes), observed.most_memory_bytes
    if there_bytes is None or there_bytes >= limits.memory_bytes:
        return f"more than {limit}"
    return f"this machine had only {gigabytes_text(there_bytes)} of the {limit} to give"


def _judge_ending(limits: KernelLimits, observed: Observed) -> Verdict | None:
    if observed.ending is None:
        return Verdict(Kind.CRASHED, "crashed: killed with all that surrounded it")
    if observed.ending.wall_s > limits.time_s:  # by itself, while the watch was held up, such as by Ctrl-Z
        took, allowed = seconds_text(observed.ending.wall_s), seconds_text(limits.time_s)
        return Verdict(Kind.LATE, f"late: it ended after {took} of {allowed}")
    if observed.ending.returncode == 0:
        return None
    how = _how(observed.ending.returncode)
    if observed.disk_was_full:
        return Verdict(Kind.OUT_OF_DISK, f"crashed when the disk was full: {how}")
    return Verdict(Kind.CRASHED, f"crashed: {how}")


def _judge_traces(observed: Observed) -> Verdict | None:
    if observed.inputs_changed:
        return Verdict(Kind.CHANGED_INPUTS, "it changed its inputs, which are read-only at Kaggle")
    left = observed.ending.left_behind if observed.ending else ()
    if left:
        return Verdict(Kind.LEFT_PROCESSES, f"it ended and left {len(left)} processes behind: {', '.join(left[:3])}")
    return None


def _judge_submission(faults: Sequence[str] | None) -> Verdict | None:
    if not faults:
        return None
    if len(faults) == 1 and faults[0].endswith("is missing."):
        return Verdict(Kind.NO_SUBMISSION, "it wrote no submission.csv")
    return Verdict(Kind.INVALID_SUBMISSION, f"invalid submission: {' '.join(faults)}")


def _judge_course(observed: Observed) -> Verdict:
    """What is left to judge of a run that Kaggle would score."""
    if observed.failure is not None:
        return Verdict(
            Kind.FAILED,
            f"the run failed, and only what it had written by then counts: {observed.failure}; see kernel.log",
        )
    if observed.submission_faults is None:
        return Verdict(
            Kind.KEPT, "in time, in memory, in quota; no sample_submission.csv, so no submission was checked"
        )
    return Verdict(Kind.KEPT, "as promised: in time, in memory, in quota, and a valid submission")


def _how(returncode: int) -> str:
    if returncode > 0:
        return f"exit code {returncode}"
    try:
        return f"ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"ended by signal {-returncode}"
