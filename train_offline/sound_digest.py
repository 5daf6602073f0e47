"""What a sound and its copies have in common, in whichever lossless format and with how much silence at their ends."""

import hashlib

import numpy as np
import numpy.typing as npt

SILENT_PEAK = 1e-3
"""A clip whose loudest sample is below this, -60 dB of full scale, is silent."""
QUIET_SHARE = 1e-3
"""Samples at both ends that are 60 dB below the loudest are left out where clips are compared: copies are padded."""


def sound_digest(waveform: npt.NDArray[np.float32], rate_hz: int) -> str:
    """The same for clips that are the same once silence at both ends is cut off; "" for silent ones.

    Of 16-bit samples, which most recordings are: so a copy in another lossless format has the same one.

    Args:
        waveform: [samples] in [-1, 1].
        rate_hz: of the samples.
    """
    loudness = np.abs(waveform)
    if (peak := loudness.max()) < SILENT_PEAK:
        return ""
    loud = np.flatnonzero(loudness >= QUIET_SHARE * peak)
    heard = waveform[loud[0] : loud[-1] + 1]
    trimmed = np.rint(np.clip(heard, -1, 1) * 32767).astype(np.int16)
    return hashlib.sha256(rate_hz.to_bytes(4, "little") + trimmed.tobytes()).hexdigest()[:32]
