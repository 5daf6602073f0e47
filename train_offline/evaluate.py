"""Out-of-fold scores: every clip is predicted by networks that have not seen it, through the kernel's own views."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kernel_src.predict import look
from kernel_src.views import windows
from kernel_src.weights import LoadedMember
from train_offline.metric import lwlrap
from train_offline.progress import Progress

Spectrogram = npt.NDArray[np.float16]
Float64 = npt.NDArray[np.float64]

BATCH_CLIPS = 16


class StoppedError(Exception):
    """The work was told to stop."""


@dataclass(frozen=True)
class Validation:
    """What one network says of clips that it has not seen."""

    probabilities: Float64
    """[clips, labels] the mean over all views of each clip."""
    lwlrap: float
    """Over all views."""
    view_gains: tuple[float, ...]
    """What the second, third, ... view added to the score."""


def validate(
    member: LoadedMember,
    spectrograms: Sequence[Spectrogram],
    targets: npt.NDArray[np.bool_],
    title: str,
    stop: threading.Event | None = None,
) -> Validation:
    """Looks at every view of every clip, as the kernel would with time enough.

    Args:
        member: the network.
        spectrograms: the clips that it has not been trained on, each [mels, frames] float16.
        targets: [clips, labels] their labels.
        title: shown beside the progress.
        stop: when it is set, the work ends before the next batch.

    Raises:
        StoppedError: `stop` was set.
    """
    config = member.config
    view_counts = np.array([len(windows(item.shape[1], config.crop_frames, config.n_mels)) for item in spectrograms])
    sums = np.zeros(targets.shape)
    scores = []
    with Progress(title, int(view_counts.sum()), "view") as progress:
        for view in range(int(view_counts.max())):
            clips = np.flatnonzero(view_counts > view)
            for first in range(0, len(clips), BATCH_CLIPS):
                if stop and stop.is_set():
                    raise StoppedError(title)
                batch = clips[first : first + BATCH_CLIPS]
                sums[batch] += look(member, [spectrograms[clip] for clip in batch], view)
                progress.advance(len(batch))
            scores.append(lwlrap(targets, sums / np.minimum(view_counts, view + 1)[:, None]))
    return Validation(
        probabilities=sums / view_counts[:, None],
        lwlrap=scores[-1],
        view_gains=tuple(np.diff(scores).tolist()),
    )


def mean_probabilities(
    member: LoadedMember,
    spectrograms: Sequence[Spectrogram],
    most_views: int,
    title: str | None,
    stop: threading.Event,
) -> Float64:
    """[clips, labels] the mean over the first views of each clip.

    Args:
        member: the network.
        spectrograms: each [mels, frames] float16.
        most_views: how many views of a clip at most.
        title: shown beside the progress; None for silence.
        stop: when it is set, the work ends before the next batch.

    Raises:
        StoppedError: `stop` was set.
    """
    config = member.config
    counts = [len(windows(item.shape[1], config.crop_frames, config.n_mels)) for item in spectrograms]
    view_counts = np.minimum(counts, most_views)
    sums = np.zeros((len(spectrograms), config.n_labels))
    with Progress(title, int(view_counts.sum()), "view") as progress:
        for view in range(int(view_counts.max(initial=0))):
            clips = np.flatnonzero(view_counts > view)
            for first in range(0, len(clips), BATCH_CLIPS):
                if stop.is_set():
                    raise StoppedError(title)
                batch = clips[first : first + BATCH_CLIPS]
                sums[batch] += look(member, [spectrograms[clip] for clip in batch], view)
                progress.advance(len(batch))
    return sums / view_counts[:, None]
