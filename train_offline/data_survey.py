"""Listens to every clip of a split: how long, how loud, whether it is clipped, and whose copy it is."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from kernel_src.audio import read_waveform
from kernel_src.cpus import usable_cpus
from kernel_src.errors import ClipError
from train_offline.progress import Progress
from train_offline.sound_digest import SILENT_PEAK, sound_digest

FULL_SCALE = 0.999
"""Samples at this or above are at the end of what a recording can hold."""
CLIPPED_SHARE = 1e-4
"""A clip is clipped if more than this share of its samples are in runs of three or more at full scale."""


@dataclass(frozen=True)
class ClipFacts:
    """What there is to hear in a clip."""

    fname: str
    seconds_s: float = 0.0
    rate_hz: int = 0
    channels: int = 0
    peak: float = 0.0
    """The loudest sample, 1 is full scale."""
    clipped_share: float = 0.0
    """The share of samples in runs of three or more at full scale."""
    digest: str = ""
    """`sound_digest`: the same for copies; "" for silent ones."""
    failure: str = ""
    """Why it cannot be read; "" if it can."""

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to hear."""
        return not self.failure and self.peak < SILENT_PEAK

    @property
    def is_clipped(self) -> bool:
        """Whether its loud parts are cut off."""
        return self.clipped_share > CLIPPED_SHARE


def survey(name: str, folder: Path, fnames: Sequence[str]) -> list[ClipFacts]:
    """The facts of all clips, in their order, measured on all cores."""
    with (
        ThreadPoolExecutor(usable_cpus()) as pool,
        Progress(f"listening to {name}", len(fnames), "clip") as progress,
    ):
        facts = []
        for found in pool.map(lambda fname: measure(folder / fname), fnames):
            facts.append(found)
            progress.advance()
    return facts


def measure(path: Path) -> ClipFacts:
    """The facts of one clip; a clip that cannot be read says why."""
    try:
        info = soundfile.info(path)
        waveform = read_waveform(path, info.samplerate, trim_top_db=None)
    except ClipError as error:
        return ClipFacts(path.name, failure=error.reason)
    except (OSError, RuntimeError, TypeError) as error:  # libsndfile's are RuntimeErrors, one for *.raw a TypeError
        reason = f"cannot be decoded ({getattr(error, 'error_string', str(error)).rstrip('.')})"
        return ClipFacts(path.name, failure=reason if path.exists() else "the file is missing")
    peak = float(np.abs(waveform).max())
    return ClipFacts(
        path.name,
        len(waveform) / info.samplerate,
        info.samplerate,
        info.channels,
        peak,
        _clipped_share(waveform),
        sound_digest(waveform, info.samplerate),
    )


def _clipped_share(waveform: npt.NDArray[np.float32]) -> float:
    full = np.abs(waveform) >= FULL_SCALE
    if not full.any():
        return 0.0
    middle = full[:-2] & full[1:-1] & full[2:]
    in_runs = np.zeros(len(full), np.bool_)
    for shift in range(3):
        in_runs[shift : len(full) - 2 + shift] |= middle
    return float(in_runs.mean())
