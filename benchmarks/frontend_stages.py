"""The stages of the frontend one after another on one thread: where the time goes."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np
import scipy.fft

from benchmarks.frontend_rivals import AMPLE, SILVER, Rival, Times, in_turns
from kernel_src.audio import read_waveform, trim_silence
from kernel_src.events import EventLog
from kernel_src.frontend import (
    CHUNK_FRAMES,
    hann_window,
    mel_bank,
    mel_energies,
    pcen,
    spectrogram,
    steps,
)
from kernel_src.memory import memory_reader
from kernel_src.store import SpectrogramStore


def stage_times(paths: Sequence[Path], rounds: int, tens_s: float) -> Times:
    """The stages one after another on one thread, each on what the one before it made."""
    whole = [read_waveform(path, SILVER.sample_rate_hz, None) for path in paths]
    trimmed = [trim_silence(waveform, 60.0) for waveform in whole]
    energies = [mel_energies(waveform, SILVER) for waveform in trimmed]
    scaled = [pcen(energy, SILVER) for energy in energies]
    rounded = [spectrogram(waveform, SILVER) for waveform in trimmed]
    blocks = [np.ascontiguousarray(values.T) for values in scaled]
    frames = np.random.default_rng(0).standard_normal((CHUNK_FRAMES, SILVER.n_fft)).astype(np.float32)
    n_frames = [energy.shape[1] for energy in energies]
    buffer = np.empty((CHUNK_FRAMES, SILVER.n_fft), np.float32)
    spectrum = np.ones((SILVER.n_fft // 2 + 1, CHUNK_FRAMES), np.complex64)  # ones, for it may be squared in place
    sums = np.empty((CHUNK_FRAMES, SILVER.n_mels), np.float32)

    def cut_and_window() -> None:
        for waveform, count in zip(trimmed, n_frames, strict=True):
            for first in range(0, count, CHUNK_FRAMES):
                first_sample = first * SILVER.hop_samples - SILVER.n_fft // 2
                out = buffer[: min(CHUNK_FRAMES, count - first)]
                steps().cut(waveform, first_sample, SILVER.hop_samples, hann_window(SILVER.n_fft), out)

    def transform() -> None:
        for count in n_frames:
            for first in range(0, count, CHUNK_FRAMES):
                scipy.fft.rfft(frames[: min(CHUNK_FRAMES, count - first)].T, axis=0)

    def power_and_mel() -> None:
        for count in n_frames:
            for _ in range(0, count, CHUNK_FRAMES):
                steps().mel_sums(spectrum.view(np.float32), mel_bank(SILVER), SILVER.power, sums)

    def round_off() -> None:
        for block, result in zip(blocks, rounded, strict=True):
            steps().round_to(block, result)

    def put() -> None:
        with SpectrogramStore(AMPLE, memory_reader(), None, EventLog(None, lambda: 0.0, StringIO())) as store:
            for path, result in zip(paths, rounded, strict=True):
                store.put(path.name, result)

    stages = [
        Rival("decode", lambda: [read_waveform(path, SILVER.sample_rate_hz, None) for path in paths]),
        Rival("trim", lambda: [trim_silence(waveform, 60.0) for waveform in whole]),
        Rival("cut and window", cut_and_window),
        Rival("FFT", transform),
        Rival("power and mel", power_and_mel),
        Rival("PCEN", lambda: [pcen(energy, SILVER) for energy in energies]),
        Rival("rounding", round_off),
        Rival("store", put),
    ]
    return in_turns(stages, rounds, tens_s)
