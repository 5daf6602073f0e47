"""Running means of probabilities per clip, over whatever has finished, and how far the looks differ."""

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from kernel_src.plan import Opinion

Float64 = npt.NDArray[np.float64]

_SMALLEST = 1e-9
"""Means are taken to be at least so far from 0 and 1, where logits end."""


class Blend:
    """Every clip's mean over the looks that reached it; safe to read while another thread adds.

    Probabilities are averaged, not logits: a sound that is in one window and not in the next is in the clip, and many
    windows that do not hear it say little against it. Clips never compete with each other in the metric, so they may be
    averaged over different numbers of looks.

    Args:
        n_clips: rows.
        priors: [labels] what a clip is given that no look has reached, in (0, 1).
    """

    def __init__(self, n_clips: int, priors: Sequence[float]) -> None:
        self._priors = np.asarray(priors, np.float64)
        self._sums = np.zeros((n_clips, len(priors)), np.float64)
        self._squares = np.zeros((n_clips, len(priors)), np.float64)
        self._looks = np.zeros(n_clips, np.float64)
        self._lock = threading.Lock()

    def add(self, clips: Sequence[int], probabilities: Float64) -> npt.NDArray[np.bool_]:
        """Adds one look at some clips.

        Args:
            clips: their indices, each at most once.
            probabilities: [clips, labels]; a clip whose values are not all finite is left as it was.

        Returns:
            [clips] whose values are finite, and count.
        """
        finite = np.asarray(np.isfinite(probabilities).all(axis=1))
        rows, values = np.asarray(clips, np.intp)[finite], probabilities[finite]
        with self._lock:
            self._sums[rows] += values
            self._squares[rows] += values * values
            self._looks[rows] += 1
        return finite

    @property
    def reached(self) -> int:
        """How many clips at least one look has reached."""
        return int(np.count_nonzero(self._looks))

    def opinion(self, clips: Sequence[int]) -> Opinion:
        """What the looks at some clips say so far.

        In logits, where the spread of one clip's labels is comparable to another's: a small change of a probability p
        is one of its logit, 1 / (p (1 - p)) times as large.
        """
        rows = np.asarray(clips, np.intp)
        with self._lock:
            sums, squares, looks = self._sums[rows], self._squares[rows], self._looks[rows][:, None]
        means = sums / np.maximum(1, looks)
        variances = np.maximum(0.0, squares - looks * np.square(means)) / np.maximum(1, looks - 1)
        inside = np.clip(means, _SMALLEST, 1 - _SMALLEST)
        return Opinion(logit(inside), variances / np.square(inside * (1 - inside)))

    def probabilities(self) -> Float64:
        """[clips, labels] the mean; the priors for clips that no look has reached."""
        with self._lock:
            sums, looks = self._sums.copy(), self._looks.copy()
        reached = looks > 0
        result = np.tile(self._priors, (len(looks), 1))
        result[reached] = sums[reached] / looks[reached, None]
        return result
