"""A file to a mono waveform at the wanted rate, with leading and trailing silence cut off."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from kernel_src.errors import ClipError

Waveform = npt.NDArray[np.float32]

# librosa.effects.trim's defaults, which the silver solution used.
TRIM_FRAME_SAMPLES = 2048
TRIM_HOP_SAMPLES = 512
_SMALLEST_POWER = 1e-10


def read_waveform(path: Path, sample_rate_hz: int, trim_top_db: float | None) -> Waveform:
    """Reads any file that libsndfile reads.

    Args:
        path: the file; several channels are averaged.
        sample_rate_hz: the rate of the result; other rates are resampled.
        trim_top_db: leading and trailing frames this far below the loudest are cut off; None keeps them.

    Returns:
        waveform: [samples] float32, most often in [-1, 1]; samples that are not finite count as silence.

    Raises:
        ClipError: missing, unreadable, empty, or without a single finite sample.
    """
    try:
        channels, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:  # libsndfile's errors are RuntimeErrors
        reason = "the file is missing" if not path.exists() else f"cannot be decoded ({error})"
        raise ClipError(path, reason) from error
    if channels.size == 0:
        raise ClipError(path, "has no samples")
    waveform: Waveform = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
    finite = np.isfinite(waveform)
    if not finite.any():
        raise ClipError(path, "has no finite sample")
    if not finite.all():
        waveform = np.where(finite, waveform, np.float32(0))
    if rate_hz != sample_rate_hz:
        waveform = soxr.resample(waveform, rate_hz, sample_rate_hz)
    return waveform if trim_top_db is None else trim_silence(waveform, trim_top_db)


def trim_silence(waveform: Waveform, top_db: float) -> Waveform:
    """Cuts off leading and trailing frames whose power is `top_db` decibels below the loudest frame's.

    Equal to `librosa.effects.trim(waveform, top_db=top_db)[0]`, without its copies: a frame is four hops long and
    centred, so its power is a sum over four blocks.

    Args:
        waveform: [samples] float32.
        top_db: the threshold in decibels below the loudest frame.

    Returns:
        [samples] a view of the part between; all of a silent waveform.
    """
    n_frames = 1 + len(waveform) // TRIM_HOP_SAMPLES
    blocks = np.zeros(n_frames + 4)  # two blocks of padding on the left, two on the right
    whole = waveform[: (n_frames - 1) * TRIM_HOP_SAMPLES].reshape(-1, TRIM_HOP_SAMPLES)
    np.einsum("bs,bs->b", whole, whole, out=blocks[2 : n_frames + 1], dtype=np.float64)
    rest = waveform[whole.size :].astype(np.float64)
    blocks[n_frames + 1] = rest @ rest
    sums = np.convolve(blocks, np.ones(4), mode="valid")[:n_frames]
    power = np.maximum(_SMALLEST_POWER, sums / TRIM_FRAME_SAMPLES)
    loud = np.flatnonzero(10 * np.log10(power / power.max()) > -top_db)
    return waveform[loud[0] * TRIM_HOP_SAMPLES : (loud[-1] + 1) * TRIM_HOP_SAMPLES]
