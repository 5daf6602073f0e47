"""Runs a pass in batches, asking the budget before each batch."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_src.budget import CostEstimate, TimeBudget
from kernel_src.errors import NotReadyError
from kernel_src.views import Window, cut, stretch, windows
from kernel_src.weights import LoadedMember

Float32 = npt.NDArray[np.float32]
Spectrogram = npt.NDArray[np.float16]


@dataclass(frozen=True)
class BatchResult:
    """Logits of some clips."""

    clips: tuple[int, ...]
    logits: Float32
    """[clips, labels]"""


def look(member: LoadedMember, spectrograms: Sequence[Spectrogram], view: int) -> Float32:
    """The logits of one member for one view of some clips.

    Args:
        member: the network and its settings.
        spectrograms: each [mels, frames] float16, with more than `view` views.
        view: which of each clip's own views.

    Returns:
        [clips, labels] float32.
    """
    config = member.config
    views = [windows(item.shape[1], config.crop_frames, config.n_mels)[view] for item in spectrograms]
    return look_through(member, spectrograms, views)


def look_through(member: LoadedMember, spectrograms: Sequence[Spectrogram], views: Sequence[Window]) -> Float32:
    """The logits of one member for a window of each clip's own, [clips, labels] float32."""
    config, silence = member.config, member.frontend.silence
    parts = [cut(spectrogram, window, silence) for spectrogram, window in zip(spectrograms, views, strict=True)]
    return member.logits(stretch(parts, config.n_mels, config.crop_frames))


class PassRunner:
    """Runs passes; what batches cost is remembered from pass to pass.

    Args:
        fetch: the spectrogram of a clip for a member, waited for at most some seconds; None for a clip that cannot be
            used. Raises NotReadyError where it takes longer.
        budget: is asked before each batch.
        batch_clips: clips in a batch.
        patience_s: how long a batch waits for a spectrogram before it puts the clip off to the end of the pass.
    """

    def __init__(
        self,
        fetch: Callable[[int, LoadedMember, float], Spectrogram | None],
        budget: TimeBudget,
        batch_clips: int,
        patience_s: float,
    ) -> None:
        self._fetch = fetch
        self._budget = budget
        self._batch_clips = batch_clips
        self._patience_s = patience_s
        self._costs: defaultdict[str, CostEstimate] = defaultdict(CostEstimate)  # by member, for they differ in size

    def run(
        self, member: LoadedMember, view: int, clips: Sequence[int], deliver: Callable[[BatchResult], object]
    ) -> bool:
        """Hands the logits to `deliver`, batch by batch.

        Clips whose spectrogram is late are tried once more after all others.

        Returns:
            Whether the pass came to its end; False if the next batch might not have fitted the budget.
        """
        late: list[int] = []
        for queue in (clips, late):
            for first in range(0, len(queue), self._batch_clips):
                batch = queue[first : first + self._batch_clips]
                if not self._budget.allows(self._costs[member.id].upper_s(len(batch))):
                    return False
                ready, missing = self._gather(member, batch)
                if queue is not late:
                    late.extend(missing)
                if ready:
                    deliver(self._predict(member, view, ready))
        return True

    def _gather(self, member: LoadedMember, batch: Sequence[int]) -> tuple[dict[int, Spectrogram], list[int]]:
        """The spectrograms that are there in time, and the clips whose are not."""
        ready: dict[int, Spectrogram] = {}
        missing = []
        for clip in batch:
            try:
                spectrogram = self._fetch(clip, member, min(self._patience_s, self._budget.left_s))
            except NotReadyError:
                missing.append(clip)
            else:
                if spectrogram is not None:
                    ready[clip] = spectrogram
        return ready, missing

    def _predict(self, member: LoadedMember, view: int, ready: dict[int, Spectrogram]) -> BatchResult:
        began_s = self._budget.elapsed_s()
        logits = look(member, list(ready.values()), view)
        self._costs[member.id].note(self._budget.elapsed_s() - began_s, len(ready))
        return BatchResult(tuple(ready), logits)
