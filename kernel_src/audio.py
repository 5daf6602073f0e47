"""A file to a mono waveform at the wanted rate, with leading and trailing silence cut off."""

import io
import wave
from collections.abc import Iterator
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

BLOCK_SAMPLES = 1 << 16
"""Samples that are decoded at a time: a quarter of a megabyte as floats, which stays in a core's own cache."""

WHOLE_FILE_BYTES = 16 << 20
"""Files up to this size are read in one piece, three minutes of 16 bits; longer ones block by block."""

_EXACT_IN_INT16 = ("PCM_16", "PCM_S8", "PCM_U8")
_MOST_CHANNELS = 1024  # libsndfile's own limit: more are a damaged header
_LARGEST_SAMPLE = np.float32(1e12)  # the energies of anything larger are beyond float32
_LOWEST_RATE_HZ = 1000  # whatever says less is a damaged header, and would become gigabytes when resampled
_MOST_SAMPLES = 1 << 40  # libsndfile gives a much larger number where a file does not tell its length


def read_waveform(path: Path, sample_rate_hz: int, trim_top_db: float | None) -> Waveform:
    """Reads any file that libsndfile reads, block by block: only the result is ever whole in memory.

    Args:
        path: the file; several channels are averaged.
        sample_rate_hz: the rate of the result; other rates are resampled.
        trim_top_db: leading and trailing frames this far below the loudest are cut off; None keeps them.

    Returns:
        waveform: [samples] float32, most often in [-1, 1]; samples that are not finite, or so large that their
            energy is not, count as silence.

    Raises:
        ClipError: missing, unreadable, empty, of an impossible rate, or without a single usable sample.
        MemoryError: the waveform does not fit into memory.
    """
    try:
        source = _source(path)
        waveform = _plain_wav(source, sample_rate_hz) if isinstance(source, io.BytesIO) else None
        if waveform is None:
            with soundfile.SoundFile(source) as file:
                waveform = _decode(file, path, sample_rate_hz)
    except (OSError, RuntimeError) as error:  # libsndfile's errors are RuntimeErrors
        text = getattr(error, "error_string", str(error)).rstrip(".")
        reason = "the file is missing" if not path.exists() else f"cannot be decoded ({text})"
        raise ClipError(path, reason) from error
    if not waveform.size:
        raise ClipError(path, "has no samples")
    return waveform if trim_top_db is None else trim_silence(waveform, trim_top_db)


def _source(path: Path) -> io.BytesIO | Path:
    """What soundfile is to open: not before something was read of the file.

    It opens files under one lock, where an input that hangs would hold up all the others.
    """
    if path.stat().st_size <= WHOLE_FILE_BYTES:
        return io.BytesIO(path.read_bytes())
    with path.open("rb") as file:
        file.read(1)
    return path


def _plain_wav(source: io.BytesIO, rate_hz: int) -> Waveform | None:
    """A wav file of 16-bit integers at the wanted rate, as most are, [samples] float32; None for all others.

    The same samples as libsndfile's, in few steps that need the interpreter's lock.
    """
    content, n_channels, size = b"", 1, 0
    try:
        with wave.open(source) as file:
            if (file.getsampwidth(), file.getframerate()) == (np.int16().itemsize, rate_hz):
                n_channels = file.getnchannels()
                content, size = file.readframes(file.getnframes()), file.getnframes() * n_channels * file.getsampwidth()
    except (wave.Error, EOFError):
        size = 0
    source.seek(0)
    if not content or len(content) != size or n_channels > _MOST_CHANNELS:  # libsndfile says what is wrong, if anything
        return None
    return _mono(np.frombuffer(content, "<i2").reshape(-1, n_channels))


def _mono(channels: npt.NDArray[np.int16]) -> Waveform:
    """[samples, channels] integers to their mean, [samples] float32."""
    # libsndfile's own way from integers to floats takes ten times as long
    scaled = np.multiply(channels, np.float32(1 / 32768), dtype=np.float32)
    mono: Waveform = scaled[:, 0] if channels.shape[1] == 1 else scaled.mean(axis=1)
    return mono


def _decode(file: soundfile.SoundFile, path: Path, sample_rate_hz: int) -> Waveform:
    """The whole file as [samples] float32 at the wanted rate."""
    if not 0 < file.frames < _MOST_SAMPLES:
        raise ClipError(path, "has no samples" if file.frames == 0 else "does not say how long it is")
    if file.samplerate < _LOWEST_RATE_HZ:
        raise ClipError(path, f"says that its sample rate is {file.samplerate} Hz")
    waveform = np.empty(file.frames * sample_rate_hz // file.samplerate + 2, np.float32)  # soxr rounds the length
    n_samples = 0
    for block in _resample(_mono_blocks(file, path), file.samplerate, sample_rate_hz):
        waveform[n_samples : n_samples + len(block)] = block
        n_samples += len(block)
    return waveform[:n_samples]


def _mono_blocks(file: soundfile.SoundFile, path: Path) -> Iterator[Waveform]:
    """The mean of the channels, [samples] float32 at the file's own rate, without anything that is no sound."""
    exact = file.subtype in _EXACT_IN_INT16
    buffer = np.empty((BLOCK_SAMPLES, file.channels), np.int16 if exact else np.float32)
    any_usable = exact
    while len(channels := file.read(out=buffer)):
        if exact:
            yield _mono(channels)
            continue
        block: Waveform = channels[:, 0] if file.channels == 1 else channels.mean(axis=1)
        usable = np.abs(block) < _LARGEST_SAMPLE  # not where it is NaN
        any_usable = any_usable or bool(usable.any())
        yield block if usable.all() else np.where(usable, block, np.float32(0))
    if not any_usable:
        raise ClipError(path, "has no usable sample: none is finite, or all are beyond any sound")


def _resample(blocks: Iterator[Waveform], rate_hz: int, wanted_hz: int) -> Iterator[Waveform]:
    """The same sound at the wanted rate; the same samples as if it were resampled in one piece."""
    if rate_hz == wanted_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate_hz, wanted_hz, num_channels=1, dtype="float32")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.empty(0, np.float32), last=True)


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
    blocks[2 : n_frames + 1] = np.einsum("bs,bs->b", whole, whole)
    rest = waveform[whole.size :]
    blocks[n_frames + 1] = rest @ rest
    sums = np.convolve(blocks, np.ones(4), mode="valid")[:n_frames]
    power = np.maximum(_SMALLEST_POWER, sums / TRIM_FRAME_SAMPLES)
    loud = np.flatnonzero(10 * np.log10(power / power.max()) > -top_db)
    return waveform[loud[0] * TRIM_HOP_SAMPLES : (loud[-1] + 1) * TRIM_HOP_SAMPLES]
