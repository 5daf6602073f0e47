"""From loaded weights to the last pass: everything of a run that needs torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.budget import TimeBudget
from kernel_src.clips import ClipList
from kernel_src.cpus import usable_cpus
from kernel_src.errors import KernelError
from kernel_src.events import EventLog
from kernel_src.extraction import SpectrogramSource
from kernel_src.manifest import Manifest
from kernel_src.memory import memory_reader
from kernel_src.overrides import RunSettings
from kernel_src.plan import PassPlan, passes
from kernel_src.predict import BatchResult, PassRunner
from kernel_src.store import SpectrogramStore, StoreSettings
from kernel_src.views import windows
from kernel_src.weights import LoadedMember, device_name, load_member, pick_device
from kernel_src.writer import SubmissionWriter

CPU_BATCH_CLIPS = 16
GPU_BATCH_CLIPS = 64

PATIENCE_S = 20.0
"""How long a batch waits for a spectrogram before the clip is put off to the end of the pass."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    reason: str
    """Why there were no more passes."""
    passes: int
    """Passes that reached every clip they were meant for."""
    clips: int
    """Clips that at least one pass reached."""


class Tagger:
    """Runs the passes of one run.

    Args:
        settings: limits and overrides.
        budget: the time.
        events: the log.
        clips: what to tag.
        writer: where the logits go, in the label order of the submission.
    """

    def __init__(
        self, settings: RunSettings, budget: TimeBudget, events: EventLog, clips: ClipList, writer: SubmissionWriter
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._events = events
        self._clips = clips
        self._writer = writer

    def tag(self, weights_dir: Path, manifest: Manifest) -> Outcome:
        """Loads the members and makes passes until the plan is done or the time is up.

        Raises:
            KernelError: not one member can be loaded.
        """
        torch.manual_seed(self._settings.seed)
        torch.set_num_threads(usable_cpus())
        members = self._load(weights_dir, manifest)
        columns = [manifest.labels.index(label) for label in self._clips.labels]
        with self._open_store() as store:
            source = SpectrogramSource(self._clips, store, self._events, threads=usable_cpus())
            try:
                for member in members:
                    source.start(member.frontend, range(len(self._clips.fnames)))
                return self._make_passes(members, source, columns)
            finally:
                source.close()

    def _load(self, weights_dir: Path, manifest: Manifest) -> list[LoadedMember]:
        device = pick_device()
        members = []
        for member in manifest.members:
            try:
                members.append(load_member(weights_dir, member, len(manifest.labels), device))
            except KernelError as error:
                self._events.emit("member_failed", f"{error}; going on without", member=member.id, reason=str(error))
        if not members:
            count = len(manifest.members)
            raise KernelError(f"{weights_dir}: none of {count} members can be used; see the events above")
        text = f"{len(members)} of {len(manifest.members)} members on {device_name(device)}"
        self._events.emit("weights_loaded", text, members=[member.id for member in members], device=str(device))
        return members

    def _open_store(self) -> SpectrogramStore:
        limits = self._settings.limits
        settings = StoreSettings(
            limit_bytes=limits.memory_bytes,
            memory_reserve_bytes=limits.memory_reserve_bytes,
            disk_bytes=limits.disk_bytes,
            disk_reserve_bytes=limits.disk_reserve_bytes,
        )
        return SpectrogramStore(settings, memory_reader(), self._settings.working_dir, self._events)

    def _make_passes(self, members: Sequence[LoadedMember], source: SpectrogramSource, columns: list[int]) -> Outcome:
        view_counts = np.ones((len(members), len(self._clips.fnames)), np.intp)
        runner = self._runner(members, source, view_counts)
        done = 0
        for plan in passes([member.oof_lwlrap for member in members], view_counts):
            if self._settings.passes is not None and done >= self._settings.passes:
                return self._outcome(f"{done} passes were asked for", done)
            if not self._make_pass(runner, members[plan.member], plan, columns, done):
                self._writer.write(done)
                return self._outcome("the time is up", done)
            done += 1
            self._writer.write(done)
        return self._outcome("every view has been looked at", done)

    def _runner(
        self, members: Sequence[LoadedMember], source: SpectrogramSource, view_counts: npt.NDArray[np.intp]
    ) -> PassRunner:
        """A runner that learns how many views a clip has when it first sees the clip."""
        index_of = {member.id: index for index, member in enumerate(members)}

        def fetch(clip: int, member: LoadedMember, patience_s: float) -> npt.NDArray[np.float16] | None:
            spectrogram = source.get(clip, member.frontend, patience_s)
            config, row = member.config, view_counts[index_of[member.id]]
            if spectrogram is None:
                row[clip] = 0
            else:
                row[clip] = len(windows(spectrogram.shape[1], config.crop_frames, config.n_mels))
            return spectrogram

        on_gpu = next(members[0].model.parameters()).is_cuda
        return PassRunner(fetch, self._budget, GPU_BATCH_CLIPS if on_gpu else CPU_BATCH_CLIPS, PATIENCE_S)

    def _make_pass(
        self, runner: PassRunner, member: LoadedMember, plan: PassPlan, columns: list[int], done: int
    ) -> bool:
        """Runs one pass; returns whether it came to its end."""
        began_s = self._budget.elapsed_s()
        reached = 0

        def deliver(result: BatchResult) -> None:
            nonlocal reached
            self._writer.blend.add(result.clips, result.logits[:, columns])
            reached += len(result.clips)
            self._writer.write_if_due(done)

        finished = runner.run(member, plan.view, plan.clips, deliver)
        seconds_s = round(self._budget.elapsed_s() - began_s, 3)
        event = "pass_done" if finished else "pass_unfinished"
        count = f"{reached} of {len(plan.clips)} clips in {seconds_s:.1f} s"
        text = f"{member.id}, view {plan.view}: {count} ({plan.reason})"
        self._events.emit(event, text, member=member.id, view=plan.view, clips=reached, seconds_s=seconds_s)
        return finished

    def _outcome(self, reason: str, done: int) -> Outcome:
        return Outcome(reason=reason, passes=done, clips=self._writer.blend.reached)
