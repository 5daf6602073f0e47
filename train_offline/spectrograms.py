"""The spectrograms of a split, made by the runtime's own frontend on all cores."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kernel_src.audio import read_waveform
from kernel_src.cpus import usable_cpus
from kernel_src.errors import ClipError, KernelError
from kernel_src.frontend import FrontendConfig, spectrogram
from train_offline.dataset import Split
from train_offline.progress import Progress

Spectrogram = npt.NDArray[np.float16]


def spectrograms_of(split: Split, config: FrontendConfig) -> tuple[Split, list[Spectrogram]]:
    """Computes all spectrograms; clips that cannot be used are named on stderr and left out.

    Args:
        split: the clips.
        config: the settings of the spectrograms.

    Returns:
        The split without unusable clips, and for each of its clips a spectrogram, [mels, frames] float16.

    Raises:
        KernelError: not one clip can be used.
    """
    with (
        ThreadPoolExecutor(usable_cpus()) as pool,
        Progress(f"spectrograms of {split.name}", len(split.fnames), "clip") as progress,
    ):
        made = []
        for result in pool.map(lambda path: _make(path, config), split.paths()):
            made.append(result)
            progress.advance()
    for failure in (result for result in made if isinstance(result, ClipError)):
        print(f"{failure}; left out of the training", file=sys.stderr)
    usable = np.array([not isinstance(result, ClipError) for result in made])
    if not usable.any():
        raise KernelError(f"{split.folder}: none of {len(made)} clips can be used; see the lines above")
    return split.subset(usable), [result for result in made if not isinstance(result, ClipError)]


def _make(path: Path, config: FrontendConfig) -> Spectrogram | ClipError:
    try:
        return spectrogram(read_waveform(path, config.sample_rate_hz, config.trim_top_db), config)
    except ClipError as error:
        return error


def mean_and_std(spectrograms: list[Spectrogram]) -> tuple[float, float]:
    """Mean and standard deviation over all bands and frames of all clips."""
    count = sum(item.size for item in spectrograms)
    mean = sum(float(item.sum(dtype=np.float64)) for item in spectrograms) / count
    variance = sum(float(np.square(item.astype(np.float32) - mean).sum(dtype=np.float64)) for item in spectrograms)
    return mean, float(np.sqrt(variance / count))
