"""Makes one pass after the other, as the planner decides, until nothing more helps or the time is up."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kernel_src.blend import Blend
from kernel_src.budget import TimeBudget
from kernel_src.events import EventLog
from kernel_src.gains import MemberValue
from kernel_src.plan import PassPlan, Planner
from kernel_src.predict import BatchResult, PassRunner
from kernel_src.views import view_order, windows
from kernel_src.weights import LoadedMember
from kernel_src.writer import WritingSchedule

LATE_PATIENCE_S = 30.0
LATE_PATIENCE_SHARE = 0.05
"""How long the end of a run waits for clips whose spectrograms are late, if none of them comes: the longer of the two,
in seconds and as a share of the limit."""

LATE_LOOK_S = 1.0
"""How long to wait between two looks for them."""


@dataclass(frozen=True)
class PassSettings:
    """How passes are made."""

    most_passes: int | None = None
    """At most so many; None for as many as time allows."""
    stop_early: bool = True
    """Whether to end when no ranking is expected to change any more."""
    raise_faults: bool = True
    """Whether a member that raises ends the run; otherwise it is left out and the others go on."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    reason: str
    """Why there were no more passes."""
    passes: int
    """Passes that came to their end."""
    clips: int
    """Clips that at least one look reached."""


class PassLoop:
    """The looks of all members at all clips.

    Args:
        members: the networks, the best first.
        values: what is known of each, in the same order.
        n_clips: how many clips.
        columns: which of the networks' labels the submission's columns are.
        runner: makes a pass.
        is_ready: whether a late clip's spectrogram for a member is there by now.
        wait: lets some seconds pass.
        blend: gets the looks.
        writes: is told of progress.
        budget: the time.
        events: the log.
        settings: how.
    """

    def __init__(
        self,
        members: Sequence[LoadedMember],
        values: Sequence[MemberValue],
        n_clips: int,
        columns: Sequence[int],
        *,
        runner: PassRunner,
        is_ready: Callable[[int, LoadedMember], bool],
        wait: Callable[[float], object],
        blend: Blend,
        writes: WritingSchedule,
        budget: TimeBudget,
        events: EventLog,
        settings: PassSettings,
    ) -> None:
        self._members = members
        self._columns = np.asarray(columns, np.intp)
        self._runner = runner
        self._is_ready = is_ready
        self._wait = wait
        self._blend = blend
        self._writes = writes
        self._budget = budget
        self._events = events
        self._settings = settings
        self.looks = np.zeros((len(members), n_clips), np.intp)
        """[members, clips] the looks so far."""
        self.views = np.ones((len(members), n_clips), np.intp)
        """[members, clips] how many looks there may be; known from a clip's first look on."""
        self._late: dict[tuple[int, int], int] = {}
        self._planner = Planner(values, self.looks, self.views, stop_early=settings.stop_early)
        self._passes = 0

    def run(self) -> Outcome:
        """Makes passes until nothing more helps, the time is up, or enough are made."""
        self._tell_plan()
        reason = ""
        while not reason:
            reason = self._step()
        reached = self._blend.reached
        done, possible = int(self.looks.sum()), int(self.views.sum() + sum(self._late.values()))
        text = f"{reason}; {done} of {possible} looks in {self._passes} passes, {self._settled_text()}"
        self._events.emit(
            "plan_ended",
            text,
            reason=reason,
            looks_done=done,
            looks_skipped=possible - done,
            passes=self._passes,
            settled=int(self._planner.settled.sum()),
        )
        return Outcome(reason, self._passes, reached)

    def _step(self) -> str:
        """One pass, or the reason why there is none."""
        if self._settings.most_passes is not None and self._passes >= self._settings.most_passes:
            return f"{self._passes} passes were asked for"
        self._welcome_late_clips()
        plan = self._planner.next_pass(self._costs_s())
        if plan is not None:
            return self._make(plan)
        if self._late and self._wait_for_late_clips():
            return ""
        if (self.looks < self.views).any():
            return "no ranking is expected to change any more"
        return (
            f"every view has been looked at, but {self._n_late} clips were never ready"
            if self._late
            else ("every view has been looked at")
        )

    def _make(self, plan: PassPlan) -> str:
        """Makes a pass; returns why no other may follow, or nothing."""
        member = self._members[plan.member]
        began_s = self._budget.elapsed_s()
        reached: list[int] = []
        skipped: list[int] = []

        def deliver(result: BatchResult) -> None:
            reached.extend(self._take(plan.member, result))
            skipped.extend(result.skipped)
            self._writes.looks_delivered(self._passes)

        self._place_another_ahead(plan.member)
        try:
            self._runner.run(member, plan.clips, lambda clip, frames: self._view_of(plan.member, clip, frames), deliver)
        except Exception as error:
            if self._settings.raise_faults:
                raise
            self._leave_out(plan.member, error)
            return ""
        self._planner.consider(reached, self._blend.opinion(reached))
        self._passes += not skipped
        self._tell(plan, len(reached), skipped, self._budget.elapsed_s() - began_s)
        self._writes.pass_ended(self._passes)
        return "the time is up" if skipped and not self._runner.has_time_for(member) else ""

    def _place_another_ahead(self, looking: int) -> None:
        """Has the best member placed that has not looked yet: most likely the next pass is its own."""
        for index, member in enumerate(self._members):
            if index != looking and not self.looks[index].any() and self.views[index].any():
                self._runner.place_ahead(member)
                return

    def _take(self, member: int, result: BatchResult) -> list[int]:
        """Takes in what a batch has brought; returns the clips that a look has reached."""
        reached: list[int] = []
        if result.probabilities is not None:
            counts = self._blend.add(result.clips, result.probabilities[:, self._columns])
            config, rows = self._members[member].config, np.asarray(result.clips, np.intp)
            self.views[member][rows] = [len(windows(n, config.crop_frames, config.n_mels)) for n in result.frames]
            self.looks[member][rows[counts]] += 1
            reached = rows[counts].tolist()
            self._give_up(member, rows[~counts].tolist())
        for clip in result.unusable:
            self.views[:, clip] = self.looks[:, clip]
        frontend = self._members[member].frontend
        for clip in result.late:
            for other in range(len(self._members)):
                if self._members[other].frontend == frontend:
                    self._put_off(other, clip)
        return reached

    def _give_up(self, member: int, clips: Sequence[int]) -> None:
        """A member whose values for some clips are not finite is not asked about them again."""
        if not clips:
            return
        self.views[member][clips] = self.looks[member][clips]
        name = self._members[member].id
        text = f"{name}: what it says of {len(clips)} clips is not finite; it is not asked about them again"
        self._events.emit("looks_not_finite", text, member=name, clips=len(clips))

    def _put_off(self, member: int, clip: int) -> None:
        """Leaves a late clip out until its spectrogram is there."""
        left = int(self.views[member, clip] - self.looks[member, clip])
        self._late[member, clip] = self._late.get((member, clip), 0) + left
        self.views[member, clip] = self.looks[member, clip]

    def _view_of(self, member: int, clip: int, frames: int) -> int:
        config = self._members[member].config
        return view_order(frames, config.crop_frames, config.n_mels, member)[int(self.looks[member, clip])]

    def _costs_s(self) -> list[float]:
        """[members] seconds of a look; of sizes that have not looked yet, by what they are beside those that have.

        Members of one size cost the same, for what is measured of each is one moment of the machine. A fixed number of
        passes goes by the sizes alone: it gives the same bytes on any machine.
        """
        sizes = [_relative_cost(member) for member in self._members]
        if self._settings.most_passes is not None:
            return sizes
        measured: dict[float, list[float]] = {}
        for member, size in zip(self._members, sizes, strict=True):
            if cost_s := self._runner.typical_cost_s(member):
                measured.setdefault(size, []).append(cost_s)
        known_s = {size: float(np.mean(costs_s)) for size, costs_s in measured.items()}
        per_size = float(np.mean([cost_s / size for size, cost_s in known_s.items()])) if known_s else 1 / max(sizes)
        return [known_s.get(size, per_size * size) for size in sizes]

    @property
    def _n_late(self) -> int:
        return len({clip for _, clip in self._late})

    def _welcome_late_clips(self) -> bool:
        """Lets late clips take part whose spectrograms have come; returns whether there were any."""
        come = [(member, clip) for member, clip in self._late if self._is_ready(clip, self._members[member])]
        for member, clip in come:
            self.views[member, clip] += self._late.pop((member, clip))
        return bool(come)

    def _wait_for_late_clips(self) -> bool:
        """Waits until a late clip has come; returns whether one has."""
        self._events.emit("waiting", f"for {self._n_late} clips whose spectrograms are late", clips=self._n_late)
        patience_s = max(LATE_PATIENCE_S, LATE_PATIENCE_SHARE * self._budget.limit_s)
        until_s = self._budget.elapsed_s() + patience_s
        while self._budget.elapsed_s() < until_s and self._budget.allows(LATE_LOOK_S):
            if self._welcome_late_clips():
                return True
            self._wait(LATE_LOOK_S)
        return False

    def _leave_out(self, member: int, error: Exception) -> None:
        """Goes on without a member that raised; what it has said so far stays."""
        self.views[member] = self.looks[member]
        name, reason = self._members[member].id, repr(error)
        self._events.emit("member_failed", f"{name}: {reason}; going on without", member=name, reason=reason)

    def _tell_plan(self) -> None:
        names = [member.id for member in self._members]
        text = f"{len(names)} members, {self.looks.shape[1]} clips; passes by expected gain per second,"
        until = "nothing changes any more" if self._settings.stop_early else "every view has been looked at"
        self._events.emit(
            "plan",
            f"{text} first of every clip, then of those whose ranking may change, until {until} or the time is up",
            members=names,
            clips=self.looks.shape[1],
            most_passes=self._settings.most_passes,
            stop_early=self._settings.stop_early,
            seconds_left=round(self._budget.left_s, 1),
        )

    def _tell(self, plan: PassPlan, reached: int, skipped: Sequence[int], seconds_s: float) -> None:
        member = self._members[plan.member].id
        turn = int(self.looks[plan.member].max())
        text = f"{member}, look {turn}: {reached} of {len(plan.clips)} clips in {seconds_s:.1f} s ({plan.reason})"
        self._events.emit(
            "pass_unfinished" if skipped else "pass_done",
            f"{text}; {self._settled_text()}",
            member=member,
            view=turn - 1,
            clips=reached,
            planned=len(plan.clips),
            skipped=len(skipped),
            settled=int(self._planner.settled.sum()),
            seconds_s=round(seconds_s, 3),
            reason=plan.reason,
        )

    def _settled_text(self) -> str:
        return f"{int(self._planner.settled.sum())} of {self.looks.shape[1]} rankings settled"


def _relative_cost(member: LoadedMember) -> float:
    """What a look costs beside one of another member, as long as it was not measured: multiplies, roughly."""
    config = member.config
    return float(config.n_mels * config.crop_frames * config.width**2)
