"""The run itself: a prior submission, then spectrograms beside the first pass, then passes while there is time."""

import builtins
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence, Set
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from kernel_src import frontend_source, winograd_source
from kernel_src.before_torch import prepare_for_torch
from kernel_src.budget import TimeBudget
from kernel_src.clips import ClipList, find_folder, read_clip_list
from kernel_src.cpus import usable_cpus
from kernel_src.errors import KernelError
from kernel_src.events import EventLog
from kernel_src.forking import name_of_end, outlived
from kernel_src.kernel_toml import KERNEL_TOML
from kernel_src.last_resort import LastResort
from kernel_src.manifest import MANIFEST_NAME, priors_for, read_manifest
from kernel_src.native_code import NativeCodeError
from kernel_src.overrides import RunSettings, read_settings
from kernel_src.submission import Submission
from kernel_src.threads import join_all

if TYPE_CHECKING:
    from kernel_src.passes import Outcome

COMPILER_PATIENCE_S = 10.0
"""How long is waited at most for the frontend's code, which takes the compiler a third of a second."""

FAREWELL_S = 0.5
"""How long the end of a run waits for threads that have been told to go."""

Leave = Callable[[int], object]
"""Ends the run at once with an exit code, whatever hangs."""


def main() -> int:
    """Runs the kernel; returns the exit code.

    On the hidden test set every failure ends in the best submission so far and exit code 0, for an exception there
    costs everything. In the run on commit it is loud: 2 for inputs that do not fit, a traceback for our own faults.
    """
    return _main_of_a_notebook() if hasattr(builtins, "__IPYTHON__") else _main(os._exit)


def _main_of_a_notebook() -> int:
    """The same on a thread, which is left behind where it hangs: a notebook whose process ends has failed."""
    ends: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()

    def work() -> None:
        try:
            ends.put(_main(ends.put))
        except BaseException as error:  # noqa: BLE001 - it is raised where the cell waits
            ends.put(error)

    threading.Thread(target=work, name="run", daemon=True).start()
    end = ends.get()
    if isinstance(end, BaseException):
        raise end
    return end


def _main(leave: Leave) -> int:
    # Until the last resort waits for it, SIGTERM waits too: the first submission is a moment away.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        settings = read_settings(KERNEL_TOML)
    except KernelError as error:
        print(error, file=sys.stderr)
        return 2
    budget = TimeBudget.of_this_process(settings.limits.time_s, settings.limits.time_reserve_s)
    settings.working_dir.mkdir(parents=True, exist_ok=True)
    work = partial(_run_and_tell, settings, budget, leave)
    if not settings.is_rerun or leave is not os._exit:  # a notebook's connections are not for two processes
        return work()
    try:
        exit_code = outlived(work, budget.until_too_late_s)
    except OSError:  # no more processes
        return work()
    if exit_code:
        reason = f"the run's process ended with {name_of_end(exit_code)}; the submission so far stays"
        with _event_log(settings, budget) as events:
            events.emit("run_failed", reason, reason=reason)
    return 0


def _event_log(settings: RunSettings, budget: TimeBudget) -> EventLog:
    return EventLog(settings.working_dir / "run.jsonl", budget.elapsed_s)


def _run_and_tell(settings: RunSettings, budget: TimeBudget, leave: Leave) -> int:
    """Runs the kernel and says how that ended; returns the exit code."""
    threads_before = set(threading.enumerate())
    with _event_log(settings, budget) as events:
        try:
            run(settings, budget, events, leave)
        except KernelError as error:
            events.emit("run_failed", str(error), reason=str(error))
            if not settings.is_rerun:
                print(error, file=sys.stderr)
                return 2
        except Exception as error:
            events.emit("run_failed", traceback.format_exc(), reason=repr(error))
            if not settings.is_rerun:
                raise
    _leave_if_threads_hang(set(threading.enumerate()) - threads_before, leave)
    return 0


def _leave_if_threads_hang(threads: Set[threading.Thread], leave: Leave) -> None:
    """Ends the process at once if one of these does not end: the interpreter's own way out may fail beside it."""
    join_all(threads, FAREWELL_S)
    if any(thread.is_alive() for thread in threads):
        sys.stdout.flush()
        sys.stderr.flush()
        leave(0)


def run(settings: RunSettings, budget: TimeBudget, events: EventLog, leave: Leave) -> None:
    """The flow, from the clip list to the last write.

    Args:
        settings: limits and overrides.
        budget: the time.
        events: the log.
        leave: what the last resort does when the time is up.

    Raises:
        KernelError: the inputs are missing or do not fit; whatever could be written by then is written.
    """
    _tell_of_start(settings, events)

    # What is to be tagged, and by what; and a valid file before torch, which takes seconds to load and may fail to.
    clips = read_clip_list(find_folder(settings.input_dir, [settings.competition], "sample_submission.csv"))
    submission = Submission(settings.working_dir, clips)
    try:
        weights_dir = find_folder(settings.input_dir, settings.datasets, MANIFEST_NAME)
        manifest = read_manifest(weights_dir)
        priors = priors_for(manifest, clips.labels)
    except KernelError:
        _write_first(submission, clips, [1 / len(clips.labels)] * len(clips.labels), "no weights: equal values", events)
        raise
    _write_first(submission, clips, priors, "priors", events)
    if nothing := _why_there_is_nothing_to_tag(clips, settings):
        submission.remove_spare()
        events.emit("run_ended", nothing, reason=nothing, passes=0, clips=0)
        return

    # The last resort stands down last: a disk that stalls can hold up what comes before, too.
    with ExitStack() as guarded, ExitStack() as at_the_end:
        # The compiler begins while numpy, scipy and torch are loaded.
        for code in (frontend_source.CODE, winograd_source.CODE):
            code.start()
            at_the_end.callback(code.cancel)

        # Processes for the spectrograms, while this one is small and has a single thread. They are forked before
        # torch's settings for the allocator: what a long clip took is to go back to the system.
        from kernel_src.extractors import started_extractors  # noqa: PLC0415 - scipy takes a moment to load

        _await_compiler(min(COMPILER_PATIENCE_S, budget.left_s / 10), events)
        extractors = at_the_end.enter_context(started_extractors(usable_cpus(), partial(_tell_of_threads, events)))

        # From here on the submission only gets better, and a thread stands by to write the newest one and leave.
        from kernel_src.blend import Blend  # noqa: PLC0415 - numpy takes a moment to load
        from kernel_src.writer import SubmissionWriter  # noqa: PLC0415 - likewise

        writer = SubmissionWriter(submission, Blend(len(clips.fnames), priors), budget, events)
        at_the_end.callback(submission.remove_spare)
        events.write_aside()
        guarded.callback(LastResort(budget, writer.write_last, events, leave).stand_down)
        prepare_for_torch()
        from kernel_src.tagging import Tagger  # noqa: PLC0415 - torch takes seconds to load

        tagger = Tagger(settings, budget, events, clips, extractors=extractors, writer=writer)
        outcome = tagger.tag(weights_dir, manifest)
        at_the_end.close()
        _tell_of_end(outcome, len(clips.fnames), submission, budget, events)


def _tell_of_start(settings: RunSettings, events: EventLog) -> None:
    limits = settings.limits
    text = f"{limits.time_s:g} s, {limits.memory_bytes / 1e9:g} GB of memory, {limits.disk_bytes / 1e9:g} GB of disk"
    events.emit("run_started", text, rerun=settings.is_rerun, time_s=limits.time_s)


def _why_there_is_nothing_to_tag(clips: ClipList, settings: RunSettings) -> str:
    """Empty where there is something. A placeholder test set, on commit, need not have files: that must not fail."""
    if not clips.fnames:
        return "no clips to tag"
    if settings.is_rerun or any(clips.path(fname).exists() for fname in clips.fnames):
        return ""
    return f"none of the {len(clips.fnames)} files is in {clips.folder}: on commit a placeholder for the test set"


def _tell_of_end(
    outcome: "Outcome", n_clips: int, submission: Submission, budget: TimeBudget, events: EventLog
) -> None:
    """The last event.

    Raises:
        KernelError: there is no submission; or there was time, and nothing was tagged.
    """
    if not submission.is_there:
        raise KernelError(f"{submission.path}: could not be written; see the events above, and make room for it")
    if not outcome.clips and budget.left_s > 0:
        raise KernelError(f"none of {n_clips} clips could be tagged ({outcome.reason}); see the events above")
    text = f"{outcome.reason}; {outcome.passes} passes, {outcome.clips} of {n_clips} clips tagged"
    events.emit("run_ended", text, reason=outcome.reason, passes=outcome.passes, clips=outcome.clips)


def _write_first(submission: Submission, clips: ClipList, row: Sequence[float], what: str, events: EventLog) -> None:
    """A submission that knows nothing of the clips. A disk that does not take it may take a later one."""
    try:
        submission.write([row] * len(clips.fnames), version=0)
    except OSError as error:
        events.emit("write_failed", f"{error}; there is no submission yet", error=str(error))
        return
    events.emit("prior_written", f"{what} for {len(clips.fnames)} clips, {len(clips.labels)} labels")


def _await_compiler(patience_s: float, events: EventLog) -> None:
    """Has the frontend's code, if it can be had, before there are processes that share it."""
    try:
        frontend_source.CODE.library(patience_s)
    except NativeCodeError as error:
        events.emit("no_native_frontend", f"{error}; numpy does its work, more slowly", reason=str(error))


def _tell_of_threads(events: EventLog, reason: str) -> None:
    events.emit("extraction_in_threads", f"{reason}; threads of the kernel do its work", reason=reason)


if __name__ == "__main__":
    sys.exit(main())
