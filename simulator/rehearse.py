"""One rehearsal from its inputs to its verdict."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_src.errors import KernelError
from simulator.fault_clock import FaultClock, check_possible
from simulator.faults import Fault
from simulator.kernel_process import Ending
from simulator.machine import Machine
from simulator.means import Enforcement
from simulator.run_events import Event, failure_of, read_events
from simulator.run_folder import emptied_run_folder, keep_working_folder
from simulator.scoring import Score, score_submission
from simulator.settings import Rehearsal
from simulator.staging import StagedInputs, stage_inputs
from simulator.submission_check import submission_faults
from simulator.submission_history import SubmissionHistory
from simulator.verdict import Observed, Verdict, judge
from simulator.watch import Crossed, Sample, Watch

LOG_NAME = "kernel.log"
LOG_TAIL_BYTES = 4096


@dataclass(frozen=True)
class RunResult:
    """What happened in one rehearsal."""

    rehearsal: Rehearsal
    """What was asked for."""
    verdict: Verdict
    """The judgement."""
    score: Score | None
    """The score of the last submission; None where the truth is unknown or the submission invalid."""
    wall_s: float
    """Seconds from the kernel's start to its end."""
    peak_memory_bytes: int
    """The most memory that was seen in use."""
    peak_disk_bytes: int
    """The most disk that was seen in use."""
    enforcements: Sequence[Enforcement]
    """How hard each limit was."""
    samples: Sequence[Sample]
    """Memory and disk over time."""
    submissions: Sequence[tuple[float, Path]]
    """The submissions as they were written: the second, and a copy."""
    curve: Sequence[tuple[float, float]]
    """The second and the lwlrap of each of them; empty where the truth is unknown."""
    invalid_at_s: Sequence[float]
    """When a submission was written that Kaggle would not accept."""
    events: Sequence[Event]
    """What the runtime noted."""
    faults: Sequence[tuple[float, Fault]]
    """What went wrong while it ran, and when."""
    staged: StagedInputs
    """What the kernel saw; its paths are gone by now."""

    @property
    def missed_faults(self) -> list[Fault]:
        """Faults that would have begun after the kernel's end."""
        begun = [fault for _, fault in self.faults]
        return [fault for fault in self.rehearsal.faults if not fault.from_the_start and fault not in begun]

    @property
    def valid_submissions(self) -> list[tuple[float, Path]]:
        """Those of the submissions that Kaggle would accept; where there is no sample, those that can be read."""
        return [(t_s, path) for t_s, path in self.submissions if t_s not in self.invalid_at_s]


@dataclass(frozen=True)
class _Run:
    watch: Watch
    crossed: Crossed | None
    ending: Ending | None
    wall_s: float
    enforcements: list[Enforcement]
    faults: list[tuple[float, Fault]]
    inputs_changed: bool
    most_memory_bytes: int


def rehearse(rehearsal: Rehearsal) -> RunResult:
    """Runs the kernel and judges it.

    Raises:
        KernelError: the inputs or the folder for the results cannot be used, or a limit or fault that was asked for
            is not possible here.
    """
    with emptied_run_folder(rehearsal.out, LOG_NAME) as out:
        hidden = out / ".kernel"
        hidden.mkdir()
        try:
            staged = stage_inputs(rehearsal, hidden / "staged")
            if staged.sample_submission:
                shutil.copyfile(staged.sample_submission, out / "sample_submission.csv")
            with Machine(rehearsal, staged, hidden) as machine:
                run = _run(rehearsal, machine)
                keep_working_folder(machine.area.working, out / "working")
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
        return _result(rehearsal, staged, run)


def _run(rehearsal: Rehearsal, machine: Machine) -> _Run:
    enforcements = machine.enforcements()
    soft = [enforcement.text for enforcement in enforcements if not enforcement.hard]
    if rehearsal.require_hard and soft:
        raise KernelError(f"--require hard, but {'; '.join(soft)}")
    check_possible(rehearsal.faults, machine)
    history = SubmissionHistory(machine.area.working / "submission.csv", rehearsal.out / "submissions")
    with machine.running(rehearsal.out / LOG_NAME) as kernel:
        watch = Watch(rehearsal.limits, machine.gauges(kernel), lambda: kernel.elapsed_s, history)
        with FaultClock(rehearsal.faults, rehearsal.limits.time_s, machine, kernel) as clock:
            crossed = watch.until_crossed_or(kernel.wait, clock.tick)
        wall_s = kernel.elapsed_s
        ending = None if crossed else kernel.ending()
    killed = watch.last_look()
    crossed = crossed or killed
    wall_s = ending.wall_s if ending else wall_s
    return _Run(
        watch=watch,
        crossed=crossed,
        ending=ending,
        wall_s=wall_s,
        enforcements=enforcements,
        faults=clock.begun,
        inputs_changed=machine.input_changes(),
        most_memory_bytes=machine.most_memory_bytes,
    )


def _result(rehearsal: Rehearsal, staged: StagedInputs, run: _Run) -> RunResult:
    submission = rehearsal.out / "working" / "submission.csv"
    sample = rehearsal.out / "sample_submission.csv" if staged.sample_submission else None
    faults = submission_faults(submission, sample) if sample else None
    events = read_events(submission.with_name("run.jsonl"))
    observed = Observed(
        crossed=run.crossed,
        ending=run.ending,
        submission_faults=faults,
        inputs_changed=run.inputs_changed,
        addresses=run.watch.addresses,
        most_memory_bytes=run.most_memory_bytes,
        disk_was_full=_disk_was_full(rehearsal, run.watch),
        failure=failure_of(events),
    )
    valid, invalid_at_s = _sort_by_validity(run.watch.history.kept, sample)
    truth = staged.truth or {}
    scores = [(t_s, score) for t_s, path in valid if (score := score_submission(path, truth))]
    return RunResult(
        rehearsal=rehearsal,
        verdict=judge(rehearsal.limits, observed),
        score=score_submission(submission, truth) if faults == [] else None,
        curve=[(t_s, score.lwlrap) for t_s, score in scores],
        invalid_at_s=invalid_at_s,
        wall_s=run.wall_s,
        peak_memory_bytes=run.watch.peak_memory_bytes,
        peak_disk_bytes=run.watch.peak_disk_bytes,
        enforcements=run.enforcements,
        samples=run.watch.samples,
        submissions=run.watch.history.kept,
        events=events,
        faults=run.faults,
        staged=staged,
    )


def _sort_by_validity(
    submissions: Sequence[tuple[float, Path]], sample: Path | None
) -> tuple[list[tuple[float, Path]], list[float]]:
    """The submissions that Kaggle would accept, and when the others were written."""
    good = [not submission_faults(path, sample) for _, path in submissions]
    valid = [entry for entry, is_good in zip(submissions, good, strict=True) if is_good]
    return valid, [t_s for (t_s, _), is_good in zip(submissions, good, strict=True) if not is_good]


def _disk_was_full(rehearsal: Rehearsal, watch: Watch) -> bool:
    """Whether the disk was seen full, or the kernel's last words say so."""
    with (rehearsal.out / LOG_NAME).open("rb") as log:
        log.seek(max(0, log.seek(0, 2) - LOG_TAIL_BYTES))
        last_words = log.read()
    return watch.peak_disk_bytes > 0.98 * rehearsal.limits.disk_bytes or b"No space left on device" in last_words
