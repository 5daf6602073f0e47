"""Which noisy clips a network agrees with, the same number of each label."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from train_offline.metric import Scores, lwlrap_of_clips


@dataclass(frozen=True)
class PickSettings:
    """How noisy clips are picked."""

    clips_per_label: int
    """No label is on more of the picked clips than this."""
    threshold: float
    """The lowest lwlrap of a clip that is picked."""


@dataclass(frozen=True)
class Pick:
    """One picked clip."""

    clip: int
    """Its index."""
    label: int
    """The label that it was picked for."""
    score: float
    """Its lwlrap: how well the network's ranking agrees with its labels."""


def pick_balanced(targets: npt.NDArray[np.bool_], said: Scores, settings: PickSettings) -> list[Pick]:
    """Picks for each label the clips that agree best, and no label more often than another that has enough.

    Labels take turns, the one with the fewest picked clips first; each takes its best clip, unless that would give
    another of the clip's labels too many. So a label with enough clips of its own ends with exactly
    `clips_per_label`, and none has more.

    Args:
        targets: [clips, labels] the noisy labels.
        said: [clips, labels] what the network says, in any units that rank labels.
        settings: how many, and how good at least.

    Returns:
        The picks, each clip once, in the order in which they were picked.
    """
    scores = lwlrap_of_clips(targets, said)
    good = np.flatnonzero(scores >= settings.threshold)
    best_first = good[np.argsort(-scores[good], kind="stable")]
    queues = [best_first[targets[best_first, label]].tolist()[::-1] for label in range(targets.shape[1])]
    counts = np.zeros(targets.shape[1], np.intp)
    taken = np.zeros(len(targets), np.bool_)
    open_labels = set(range(targets.shape[1]))
    picks = []
    while open_labels:
        label = min(open_labels, key=lambda item: (counts[item], item))
        clip = _next_clip(queues[label], taken, counts, targets, settings.clips_per_label)
        if clip is None:
            open_labels.remove(label)
            continue
        taken[clip] = True
        counts += targets[clip]
        picks.append(Pick(clip, label, float(scores[clip])))
    return picks


def _next_clip(
    queue: list[int],
    taken: npt.NDArray[np.bool_],
    counts: npt.NDArray[np.intp],
    targets: npt.NDArray[np.bool_],
    most: int,
) -> int | None:
    """The best clip of a label that is free and gives none of its labels too many; counts only grow, so others go."""
    while queue:
        clip = queue.pop()
        if not taken[clip] and (counts[targets[clip]] < most).all():
            return clip
    return None
