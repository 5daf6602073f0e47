"""Runs a pass in batches on a crew of workers, asking the budget before each batch."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from kernel_src.budget import CostEstimate, TimeBudget
from kernel_src.crew import Crew
from kernel_src.errors import NotReadyError, StuckError
from kernel_src.single_flight import SingleFlight
from kernel_src.views import Window, cut, stretch, windows
from kernel_src.weights import LoadedMember

Float64 = npt.NDArray[np.float64]
Spectrogram = npt.NDArray[np.float16]

Fetch = Callable[[int, LoadedMember, float], Spectrogram | None]
"""The spectrogram of a clip for a member, waited for at most some seconds; None for a clip that cannot be used. Raises
`NotReadyError` where it takes longer."""

ViewOf = Callable[[int, int], int]
"""Which view of a clip comes next, from the clip's index and its frames."""


@dataclass(frozen=True)
class BatchResult:
    """What came of a batch."""

    clips: tuple[int, ...] = ()
    """The clips that were looked at."""
    probabilities: Float64 | None = None
    """[clips, labels]"""
    frames: tuple[int, ...] = ()
    """[clips] how long their spectrograms are."""
    late: tuple[int, ...] = ()
    """Clips whose spectrograms were not there in time."""
    unusable: tuple[int, ...] = ()
    """Clips that have no spectrogram."""
    skipped: tuple[int, ...] = ()
    """Clips that the budget had no time for."""


Look = Callable[[LoadedMember, Sequence[Spectrogram], Sequence[Window]], Float64]
"""What a member says of a window of each clip's own: [clips, labels] probabilities."""


def look(member: LoadedMember, spectrograms: Sequence[Spectrogram], view: int) -> Float64:
    """The probabilities of one member for one view of some clips.

    Args:
        member: the network and its settings.
        spectrograms: each [mels, frames] float16, with more than `view` views.
        view: which of each clip's own views.

    Returns:
        [clips, labels] float64.
    """
    config = member.config
    views = [windows(item.shape[1], config.crop_frames, config.n_mels)[view] for item in spectrograms]
    return look_through(member, spectrograms, views)


def look_through(member: LoadedMember, spectrograms: Sequence[Spectrogram], views: Sequence[Window]) -> Float64:
    """The probabilities of one member for a window of each clip's own, [clips, labels] float64."""
    config, silence = member.config, member.padding
    parts = [cut(spectrogram, window, silence) for spectrogram, window in zip(spectrograms, views, strict=True)]
    return member.probabilities(stretch(parts, config.n_mels, config.crop_frames, member.device))


def cut_into_batches(clips: Sequence[int], size: int, last_size: int) -> list[tuple[int, ...]]:
    """All clips in their order, `size` of them at a time; at the end fewer, down to `last_size`.

    A batch takes at most a quarter of what is left. How many workers there are does not enter, for the same bytes have
    to come out of any number of them. Source: Polychronopoulos and Kuck 1987, "Guided self-scheduling".
    """
    batches, first = [], 0
    while first < len(clips):
        count = max(min(last_size, size), min(size, (len(clips) - first) // 4))
        batches.append(tuple(clips[first : first + count]))
        first += count
    return batches


class PassRunner:
    """Runs passes; what batches cost is remembered from pass to pass.

    Args:
        fetch: where spectrograms come from.
        budget: is asked before each batch.
        crew: who computes.
        batch_clips: clips in a batch.
        last_batch_clips: what the batches at the end of a pass shrink to, so that no worker is left to wait for the
            last batch of another; None: they do not shrink.
        patience_s: how long a batch waits for its spectrograms before it goes on without the late ones.
        look: how a member looks at a batch.
        placed: a member as it is to compute on a device; it is asked once for each.
    """

    def __init__(
        self,
        fetch: Fetch,
        budget: TimeBudget,
        crew: Crew,
        batch_clips: int,
        patience_s: float,
        *,
        last_batch_clips: int | None = None,
        look: Look = look_through,
        placed: Callable[[LoadedMember, torch.device], LoadedMember] = LoadedMember.on,
    ) -> None:
        self._fetch = fetch
        self._budget = budget
        self._crew = crew
        self._batch_clips = batch_clips
        self._last_batch_clips = last_batch_clips or batch_clips
        self._patience_s = patience_s
        self._look = look
        self._placed = placed
        self._costs: defaultdict[str, CostEstimate] = defaultdict(CostEstimate)  # by member, for they differ in size
        self._replicas: dict[tuple[str, torch.device], LoadedMember] = {}
        self._placings: SingleFlight[LoadedMember] = SingleFlight()
        self._has_late = False

    def typical_cost_s(self, member: LoadedMember) -> float | None:
        """Seconds of one look of a member at one clip; None before it has looked."""
        return self._costs[member.id].typical_s

    def has_time_for(self, member: LoadedMember) -> bool:
        """Whether a look at one more clip ends before the reserve begins."""
        return self._budget.allows(self._costs[member.id].upper_s(1))

    def run(
        self, member: LoadedMember, clips: Sequence[int], view_of: ViewOf, deliver: Callable[[BatchResult], object]
    ) -> None:
        """Looks once at each clip and hands the results to `deliver`, batch by batch, in the clips' order.

        Args:
            member: who looks.
            clips: at what.
            view_of: at which view of a clip.
            deliver: is called in this thread.

        Raises:
            Exception: what the network raised.
        """
        self._has_late = False
        batches = cut_into_batches(clips, self._batch_clips, self._last_batch_clips)
        self._crew.run(batches, lambda batch, device: self._look_at(self._on(device, member), batch, view_of), deliver)

    def place_ahead(self, member: LoadedMember) -> None:
        """Has a member placed that is likely to look soon, so that not all workers wait for it then.

        On processors alone: while a GPU captures the graphs of one member, nothing else may be placed on it.
        """
        device = self._crew.devices[0]
        if device.type != "cpu" or (member.id, device) in self._replicas:
            return

        def place() -> None:
            with contextlib.suppress(Exception):  # it is raised again, where the member is to look
                self._on(device, member)

        self._crew.run_aside(place)

    def _on(self, device: torch.device, member: LoadedMember) -> LoadedMember:
        key = member.id, device

        def place() -> LoadedMember:
            if key not in self._replicas:
                self._replicas[key] = self._placed(member, device)
            return self._replicas[key]

        return self._replicas.get(key) or self._placings.run(f"{member.id} on {device}", place)

    def _look_at(self, member: LoadedMember, batch: tuple[int, ...], view_of: ViewOf) -> BatchResult:
        cost = self._costs[member.id]
        in_time = self._budget.left_s / max(cost.upper_s(1), 1e-9)
        batch, skipped = batch[: int(in_time)], batch[int(in_time) :]
        if not batch:
            return BatchResult(skipped=skipped)
        ready, late = self._gather(member, batch)
        usable = {clip: spectrogram for clip, spectrogram in ready.items() if spectrogram is not None}
        unusable = tuple(clip for clip in ready if clip not in usable)
        if not usable:
            return BatchResult(late=late, unusable=unusable, skipped=skipped)
        began_s = self._budget.elapsed_s()
        config, frames = member.config, tuple(item.shape[1] for item in usable.values())
        views = [
            windows(n_frames, config.crop_frames, config.n_mels)[view_of(clip, n_frames)]
            for clip, n_frames in zip(usable, frames, strict=True)
        ]
        probabilities = self._look_in_parts(member, list(usable.values()), views)
        cost.note(self._budget.elapsed_s() - began_s, len(usable))
        return BatchResult(tuple(usable), probabilities, frames, late, unusable, skipped)

    def _gather(
        self, member: LoadedMember, batch: Sequence[int]
    ) -> tuple[dict[int, Spectrogram | None], tuple[int, ...]]:
        """The spectrograms that are there in time, and the clips whose are not."""
        ready: dict[int, Spectrogram | None] = {}
        late = []
        # Spectrograms are made in the clips' order: when some are late, those of later batches are later still.
        patience_s = 0.0 if self._has_late else min(self._patience_s, self._budget.left_s)
        patient_until_s = self._budget.elapsed_s() + patience_s
        for clip in batch:
            try:
                ready[clip] = self._fetch(clip, member, max(0.0, patient_until_s - self._budget.elapsed_s()))
            except StuckError:  # that clip alone: another thread goes on with the next ones
                late.append(clip)
            except NotReadyError:
                late.append(clip)
                self._has_late = True
        return ready, tuple(late)

    def _look_in_parts(
        self, member: LoadedMember, spectrograms: Sequence[Spectrogram], views: Sequence[Window]
    ) -> Float64:
        """Looks at a batch, in halves of halves where the device's memory does not hold the whole."""
        try:
            return self._look(member, spectrograms, views)
        except torch.OutOfMemoryError:
            if len(spectrograms) == 1:
                raise
        half = len(spectrograms) // 2
        parts = [(spectrograms[:half], views[:half]), (spectrograms[half:], views[half:])]
        return np.concatenate([self._look_in_parts(member, *part) for part in parts])
