"""The stages of the frontend one after another on one thread: where the time goes."""

import ctypes
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.frontend_rivals import AMPLE, SILVER, Rival, Times, in_turns
from kernel_src.audio import read_waveform, trim_silence
from kernel_src.events import EventLog
from kernel_src.frontend import mel_energies, mel_transform, pcen, spectrogram, steps
from kernel_src.frontend_native import NativeSteps, at, tables_of
from kernel_src.frontend_source import CODE
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
        *mel_stages(trimmed, [energy.shape[1] for energy in energies]),
        Rival("PCEN", lambda: [pcen(energy, SILVER) for energy in energies]),
        Rival("rounding", round_off),
        Rival("store", put),
    ]
    return in_turns(stages, rounds, tens_s)


def mel_stages(waveforms: Sequence[npt.NDArray[np.float32]], n_frames: Sequence[int]) -> list[Rival]:
    """What lies between a waveform and its mel energies: each step of the C++ alone, or all that numpy does."""
    if not isinstance(steps(), NativeSteps):
        return [Rival("mel energies", lambda: [mel_energies(waveform, SILVER) for waveform in waveforms])]
    library, lanes, transform = CODE.library(), CODE.library().lanes(), mel_transform(SILVER)
    tables = tables_of(transform)
    assert tables is not None
    n_fft, half, count_mels, count_frames = map(ctypes.c_long, (SILVER.n_fft, SILVER.n_fft // 2, SILVER.n_mels, lanes))
    values, others = np.zeros((2, SILVER.n_fft, lanes), np.float32)  # zeros stay zeros, however often transformed
    energies = np.empty((lanes, SILVER.n_mels), np.float32)

    def cut() -> None:
        for waveform, count in zip(waveforms, n_frames, strict=True):
            samples = at(waveform), ctypes.c_long(len(waveform))
            for first in range(0, count, lanes):
                starts = map(ctypes.c_long, (first * SILVER.hop_samples - SILVER.n_fft // 2, SILVER.hop_samples))
                library.cut(*samples, *starts, at(transform.window), n_fft, at(values))

    def as_often(function: Callable[..., object], *arguments: Any) -> Callable[[], None]:
        def run() -> None:
            pointers = [at(argument) if isinstance(argument, np.ndarray) else argument for argument in arguments]
            for _ in range(sum(-(-count // lanes) for count in n_frames)):
                function(*pointers)

        return run

    transform_arguments = values, others, half, tables.radices, tables.turns
    filters = tables.starts, tables.bins, tables.weights
    return [
        Rival("cut and window", cut),
        Rival("transform", as_often(library.transform, *transform_arguments)),
        Rival("powers", as_often(library.powers, others, half, tables.half_turns, values)),
        Rival("mel sums", as_often(library.mel_sums, values, *filters, count_mels, count_frames, energies)),
    ]
