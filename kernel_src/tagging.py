"""From loaded weights to the last pass: everything of a run that needs torch."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.allocator import give_back_free_blocks
from kernel_src.backend_names import PLAIN
from kernel_src.backends import usual
from kernel_src.budget import TimeBudget
from kernel_src.choice import choose_backend
from kernel_src.clips import ClipList
from kernel_src.crew import Crew
from kernel_src.devices import worker_devices
from kernel_src.errors import KernelError
from kernel_src.events import EventLog
from kernel_src.extraction import SpectrogramSource
from kernel_src.extractors import Extractor
from kernel_src.gains import MemberValue
from kernel_src.manifest import Manifest, Member
from kernel_src.memory import memory_reader
from kernel_src.model_config import ModelConfig
from kernel_src.overrides import RunSettings
from kernel_src.passes import Outcome, PassLoop, PassSettings
from kernel_src.predict import PassRunner
from kernel_src.store import SpectrogramStore, StoreSettings
from kernel_src.weights import LoadedMember, load_member
from kernel_src.writer import SubmissionWriter, WritingSchedule, WritingThread

CPU_BATCH_CLIPS = 8
CPU_LAST_BATCH_CLIPS = 2
GPU_BATCH_CLIPS = 64

PATIENCE_S = 20.0
"""How long a batch waits for its spectrograms before the late ones are put off."""

GOODBYE_S = 2.0
"""How long the end of a run waits for threads that are at work."""


class Tagger:
    """Runs the passes of one run.

    Args:
        settings: limits and overrides.
        budget: the time.
        events: the log.
        clips: what to tag.
        extractors: make the spectrograms.
        writer: writes the blend, in the label order of the submission.
    """

    def __init__(
        self,
        settings: RunSettings,
        budget: TimeBudget,
        events: EventLog,
        clips: ClipList,
        *,
        extractors: Sequence[Extractor],
        writer: SubmissionWriter,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._events = events
        self._clips = clips
        self._extractors = extractors
        self._writer = writer

    def tag(self, weights_dir: Path, manifest: Manifest) -> Outcome:
        """Loads the members and makes passes until nothing more helps or the time is up.

        Raises:
            KernelError: not one member can be loaded.
        """
        torch.manual_seed(self._settings.seed)
        torch.set_num_threads(1)  # a worker each instead: see the crew
        members = self._load(weights_dir, manifest)
        columns = [manifest.labels.index(label) for label in self._clips.labels]
        devices = worker_devices(self._events)
        gpu = None if devices[0].type == "cpu" else devices[0]
        crew = Crew(devices, self._events)
        with self._open_store() as store:
            source = SpectrogramSource(
                self._clips, store, self._events, self._extractors, gpu, raise_faults=not self._settings.is_rerun
            )
            try:
                for _, member in members:
                    source.start(member.frontend, range(len(self._clips.fnames)))
                return self._make_passes(members, source, crew, columns, devices[0])
            finally:
                patience_s = min(GOODBYE_S, self._budget.until_last_call_s)
                source.close(patience_s)
                crew.close(patience_s)

    def _load(self, weights_dir: Path, manifest: Manifest) -> list[tuple[Member, LoadedMember]]:
        """The members that can be used, the best first."""
        members = []
        for member in sorted(manifest.members, key=lambda item: -(item.oof_lwlrap or 0.0)):
            try:
                # The plain backend costs nothing; the others copy the weights, and one of them is chosen later.
                loaded = load_member(weights_dir, member, len(manifest.labels), torch.device("cpu"), PLAIN)
            except KernelError as error:
                self._events.emit("member_failed", f"{error}; going on without", member=member.id, reason=str(error))
            else:
                members.append((member, loaded))
        if not members:
            count = len(manifest.members)
            raise KernelError(f"{weights_dir}: none of {count} members can be used; see the events above")
        names = [member.id for member, _ in members]
        self._events.emit("weights_loaded", f"{len(members)} of {len(manifest.members)} members", members=names)
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

    def _make_passes(
        self,
        members: Sequence[tuple[Member, LoadedMember]],
        source: SpectrogramSource,
        crew: Crew,
        columns: list[int],
        device: torch.device,
    ) -> Outcome:
        def fetch(clip: int, member: LoadedMember, patience_s: float) -> npt.NDArray[np.float16] | None:
            return source.get(clip, member.frontend, patience_s)

        on_cpu = device.type == "cpu"
        batch_clips = self._settings.batch_clips or (CPU_BATCH_CLIPS if on_cpu else GPU_BATCH_CLIPS)
        # A GPU's graphs are for full batches.
        last_batch_clips = CPU_LAST_BATCH_CLIPS if on_cpu else None
        trial_clips = min(batch_clips, max(1, len(self._clips.fnames)))
        placed = self._placing([loaded for _, loaded in members], device, trial_clips)
        writing = WritingThread(self._writer.write)
        loop = PassLoop(
            [loaded for _, loaded in members],
            [MemberValue.of(member) for member, _ in members],
            len(self._clips.fnames),
            columns,
            runner=PassRunner(
                fetch, self._budget, crew, batch_clips, PATIENCE_S, last_batch_clips=last_batch_clips, placed=placed
            ),
            is_ready=lambda clip, member: source.is_ready(clip, member.frontend),
            wait=time.sleep,
            blend=self._writer.blend,
            writes=WritingSchedule(self._budget, writing.ask),
            budget=self._budget,
            events=self._events,
            settings=PassSettings(
                most_passes=self._settings.passes,
                stop_early=self._settings.stop_early,
                raise_faults=not self._settings.is_rerun,
            ),
        )
        outcome = loop.run()
        if not writing.finish(outcome.passes, self._budget.until_last_call_s):
            self._events.emit("write_hangs", "the last write does not come to its end; an older submission stays")
        return outcome

    def _placing(
        self, members: Sequence[LoadedMember], device: torch.device, batch_clips: int
    ) -> Callable[[LoadedMember, torch.device], LoadedMember]:
        """How members come to a device: by the backend that is the quickest for their size on such a device."""
        backends: dict[ModelConfig, str] = {}
        for member in members:
            if member.config not in backends:
                forced = self._settings.backend
                backends[member.config] = choose_backend(
                    member, device, batch_clips, self._events, left_s=self._budget.left_s, forced=forced
                )
        give_back_free_blocks()  # of the backends that were tried and not chosen
        for member in members:
            member.map_anew()  # the plain network was a witness of the trial

        def placed(member: LoadedMember, there: torch.device) -> LoadedMember:
            return member.on(there, backends[member.config] if there.type == device.type else usual(there))

        return placed
