"""Running means of logits per clip, over whatever has finished."""

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


class Blend:
    """Every clip's mean over the passes that reached it; safe to read while another thread adds.

    Clips never compete with each other in the metric, so they may be averaged over different numbers of passes.

    Args:
        n_clips: rows.
        priors: [labels] what a clip is given that no pass has reached, in (0, 1).
    """

    def __init__(self, n_clips: int, priors: Sequence[float]) -> None:
        self._priors = np.asarray(priors, np.float64)
        self._sums = np.zeros((n_clips, len(priors)), np.float64)
        self._weights = np.zeros(n_clips, np.float64)
        self._lock = threading.Lock()

    def add(self, clips: Sequence[int], logits: Float32, weight: float = 1.0) -> None:
        """Adds one look at some clips.

        Args:
            clips: their indices, each at most once.
            logits: [clips, labels]; a clip whose logits are not all finite is left as it was.
            weight: how much this look counts beside others.
        """
        rows = np.asarray(clips, np.intp)
        finite = np.isfinite(logits).all(axis=1)
        with self._lock:
            self._sums[rows[finite]] += weight * logits[finite].astype(np.float64)
            self._weights[rows[finite]] += weight

    @property
    def reached(self) -> int:
        """How many clips at least one pass has reached."""
        return int(np.count_nonzero(self._weights))

    def probabilities(self) -> Float64:
        """[clips, labels] the sigmoid of the mean logits; the priors for clips that no pass has reached.

        In double precision, for ties cost score: single precision rounds every logit above 17 to the same 1.
        """
        with self._lock:
            sums, weights = self._sums.copy(), self._weights.copy()
        reached = weights > 0
        result = np.tile(self._priors, (len(weights), 1))
        result[reached] = 1 / (1 + np.exp(-sums[reached] / weights[reached, None]))
        return result
