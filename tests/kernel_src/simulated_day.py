"""A day in the life of a run, on a clock of its own: the real pass loop, with everything slow about it made up.

Work takes time by the machine's speed, which may change; workers may stall, and so may the whole process, the last
resort with it. Whenever time passes, the day sees whether the last resort's moment has come, as its thread would.
"""

import io
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from kernel_src.blend import Blend
from kernel_src.budget import TimeBudget
from kernel_src.crew import Crew
from kernel_src.errors import NotReadyError
from kernel_src.events import EventLog
from kernel_src.frontend import FrontendConfig
from kernel_src.gains import MemberValue
from kernel_src.model_config import ModelConfig
from kernel_src.passes import Outcome, PassLoop, PassSettings
from kernel_src.predict import PassRunner
from kernel_src.views import Window
from kernel_src.writer import LAST_WRITE_WAIT_S, SubmissionWriter, WritingSchedule

PRIORS = (0.2, 0.3, 0.1)
FRONTEND = FrontendConfig(n_mels=4)
CROP_FRAMES = 4
LONGEST_FRAMES = 60
"""Clips have 1 to 60 frames, so that they have 1 to 16 views."""
SPECTROGRAMS = {length: np.zeros((4, length), np.float16) for length in range(1, LONGEST_FRAMES + 1)}


class GoneError(BaseException):
    """The last resort has ended the process."""


@dataclass(frozen=True)
class Schedule:
    """What kind of day it is; times in seconds."""

    limit_s: float
    n_clips: int
    member_costs_s: tuple[float, ...]
    """Of one look at one clip, at full speed."""
    start_s: float = 0.0
    """Until the passes begin: imports, loading."""
    extraction_s: float = 0.0
    """Of one clip's spectrogram."""
    hanging_clips: tuple[int, ...] = ()
    """Clips whose spectrograms never come."""
    write_s: float = 0.0
    """Of one write of the submission."""
    speed_changes: tuple[tuple[float, float], ...] = ()
    """Pairs of a share of the limit and the speed from then on."""
    worker_stall: tuple[float, float] = (0.0, 0.0)
    """When, as a share of the limit, and for how long workers stall; the last resort does not."""
    process_stall_at: float = 2.0
    """When, as a share of the limit, the whole process stalls, for as long as the budget says that it may."""
    batch_clips: int = 8
    stop_early: bool = False
    most_passes: int | None = None


@dataclass
class SimulatedMember:
    """Stands for a network: it has an identity and an input, and says what the day makes up."""

    id: str
    index: int
    config: ModelConfig
    frontend: FrontendConfig = FRONTEND


class Day:
    """One run under a schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.now_s = 0.0
        self.budget = TimeBudget(schedule.limit_s, stall_s=10.0, elapsed_s=lambda: self.now_s)
        self.blend = Blend(schedule.n_clips, PRIORS)
        self.said: dict[int, list[np.ndarray]] = {clip: [] for clip in range(schedule.n_clips)}
        self.seen: list[tuple[int, int, int]] = []
        self._rows: Iterable[list[float]] = [list(PRIORS)] * schedule.n_clips
        self.submission: list[list[float]] = []
        self.version = 0
        self.outcome: Outcome | None = None
        self.dearest_batch_s = self.dearest_look_s = 0.0
        self.reserve_s = 0.0
        self._writing = False
        self._rng = np.random.default_rng(schedule.n_clips)
        self._lengths = self._rng.integers(1, LONGEST_FRAMES + 1, schedule.n_clips)
        self.loop = self._make_loop()
        self._remember_looks()

    def live(self) -> None:
        """Runs to the end, whoever brings it about."""
        self._live()
        self.submission = list(self._rows)

    def _live(self) -> None:
        try:
            self._work(self.schedule.start_s)
            self.outcome = self.loop.run()
            self.reserve_s = self.budget.reserve_s
            self._writer.write(self.outcome.passes)
        except GoneError:
            self.reserve_s = self.reserve_s or self.budget.reserve_s

    def _make_loop(self) -> PassLoop:
        events = EventLog(None, lambda: self.now_s, io.StringIO())
        self._writer = SubmissionWriter(self, self.blend, self.budget, events)  # type: ignore[arg-type]
        members: list[Any] = [self._member(index) for index in range(len(self.schedule.member_costs_s))]
        runner = PassRunner(
            self._fetch,
            self.budget,
            Crew([torch.device("cpu")], events),
            self.schedule.batch_clips,
            patience_s=20.0,
            look=self._look,
            placed=lambda member, _: member,
        )
        return PassLoop(
            members,
            [MemberValue(member.id, "kind", 0.7, ()) for member in members],
            self.schedule.n_clips,
            range(len(PRIORS)),
            runner=runner,
            is_ready=lambda clip, _: self._ready_at_s(clip) <= self.now_s,
            wait=self._idle,
            blend=self.blend,
            writes=WritingSchedule(self.budget, self._writer.write),
            budget=self.budget,
            events=events,
            settings=PassSettings(self.schedule.most_passes, self.schedule.stop_early),
        )

    def _member(self, index: int) -> SimulatedMember:
        """A network whose width is as its cost: the runtime guesses by it before it has measured."""
        costs_s = self.schedule.member_costs_s
        width = max(2, round(100 * math.sqrt(costs_s[index] / max(costs_s))))
        config = ModelConfig(n_labels=len(PRIORS), n_mels=4, crop_frames=CROP_FRAMES, width=width)
        return SimulatedMember(f"m{index}", index, config)

    def _remember_looks(self) -> None:
        """Notes what the blend is given and which views are asked for, on their way."""
        add, view_of = self.blend.add, self.loop._view_of

        def adding(clips: Sequence[int], probabilities: np.ndarray) -> np.ndarray:
            counts = add(clips, probabilities)
            for clip, row in itertools.compress(zip(clips, probabilities, strict=True), counts):
                self.said[clip].append(row)
            return counts

        def viewing(member: int, clip: int, frames: int) -> int:
            view = view_of(member, clip, frames)
            self.seen.append((member, clip, view))
            return view

        self.blend.add, self.loop._view_of = adding, viewing  # type: ignore[method-assign]

    # What the run asks for.

    def _look(self, member: Any, spectrograms: Sequence[np.ndarray], views: Sequence[Any]) -> np.ndarray:
        began_s = self.now_s
        self._work(self.schedule.member_costs_s[member.index] * len(spectrograms))
        cost_s = self.now_s - began_s
        self.dearest_batch_s = max(self.dearest_batch_s, cost_s)
        self.dearest_look_s = max(self.dearest_look_s, cost_s / len(spectrograms))
        assert all(isinstance(view, Window) for view in views)
        probabilities: np.ndarray = expit(self._rng.normal(0.0, 2.0, (len(spectrograms), len(PRIORS))))
        return probabilities

    def _fetch(self, clip: int, _: Any, patience_s: float) -> np.ndarray:
        if self._ready_at_s(clip) > self.now_s + patience_s:
            self._idle(patience_s)
            raise NotReadyError(str(clip))
        self._idle(max(0.0, self._ready_at_s(clip) - self.now_s))
        return SPECTROGRAMS[int(self._lengths[clip])]

    def _ready_at_s(self, clip: int) -> float:
        return math.inf if clip in self.schedule.hanging_clips else (clip + 1) * self.schedule.extraction_s

    def write(self, rows: Iterable[list[float]], version: int, lock_timeout_s: float = -1) -> bool:
        """The submission's own method, with a disk that takes its time."""
        if self._writing:
            self.now_s += lock_timeout_s
            return False
        self._writing = True
        self._work(self.schedule.write_s)
        self._writing = False
        return self._replace(rows, version)

    def _replace(self, rows: Iterable[list[float]], version: int) -> bool:
        if version <= self.version:
            return False
        self._rows, self.version = rows, version
        return True

    # How time passes.

    def _work(self, work_s: float) -> None:
        """Lets the machine do what takes `work_s` at full speed."""
        self._pass_until(self._done_at_s(self.now_s, work_s))

    def _idle(self, seconds_s: float) -> None:
        self._pass_until(self.now_s + seconds_s)

    def _done_at_s(self, began_s: float, work_s: float) -> float:
        """When work is done that begins now, by the speeds and stalls on its way."""
        schedule, now_s = self.schedule, began_s
        stall_s = schedule.worker_stall[0] * schedule.limit_s
        changes = [(at * schedule.limit_s, speed) for at, speed in schedule.speed_changes]
        for (_, speed), (until_s, _) in itertools.pairwise([(0.0, 1.0), *changes, (math.inf, 1.0)]):
            if until_s <= now_s:
                continue
            done_s = now_s + work_s / speed
            if done_s <= until_s:
                now_s = done_s
                break
            work_s -= (until_s - now_s) * speed
            now_s = until_s
        return now_s + schedule.worker_stall[1] if began_s <= stall_s < now_s else now_s

    def _pass_until(self, then_s: float) -> None:
        stall_at_s = self.schedule.process_stall_at * self.schedule.limit_s
        stalls = self.now_s <= stall_at_s < then_s
        called_s = self.now_s + self.budget.until_last_call_s
        if stalls and stall_at_s <= called_s:
            # Everything stands still, the last resort too; then it goes on where it was.
            then_s += self.budget.stall_s
            called_s = max(called_s, stall_at_s + self.budget.stall_s)
        if then_s < called_s:
            self.now_s = then_s
            return
        self.now_s = called_s
        self._leave()

    def _leave(self) -> None:
        """What the last resort does."""
        began_s = self.now_s
        patience_s = self.budget.until_leaving_s
        if self._writing:
            self.now_s += min(patience_s, LAST_WRITE_WAIT_S)
        elif self.blend.reached and (cost_s := self._done_at_s(began_s, self.schedule.write_s) - began_s) <= patience_s:
            self.now_s += cost_s
            self._replace((row.tolist() for row in self.blend.probabilities()), self.version + 1)
        else:
            self.now_s += patience_s
        stall_at_s = self.schedule.process_stall_at * self.schedule.limit_s
        if began_s < stall_at_s <= self.now_s:
            self.now_s += self.budget.stall_s
        raise GoneError
