"""The spectrograms of a split, made by the runtime's own frontend on all cores and kept in a cache on disk."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from kernel_src.cpus import usable_cpus
from kernel_src.errors import ClipError, KernelError
from kernel_src.extractors import Extractor, started_extractors
from kernel_src.frontend import FrontendConfig
from train_offline.dataset import Split
from train_offline.progress import Progress
from train_offline.sound_digest import sound_digest
from train_offline.spectrogram_cache import CachedSpectrograms, Made, SpectrogramCache
from train_offline.spectrogram_table import SpectrogramTable

AT_A_TIME = 256
"""Clips that are worked on before their results are written: this bounds the memory."""


def spectrograms_of(split: Split, config: FrontendConfig, cache: SpectrogramCache) -> tuple[Split, CachedSpectrograms]:
    """All spectrograms of a split; clips that cannot be used are named on stderr and left out.

    Args:
        split: the clips.
        config: the settings of the spectrograms.
        cache: where they are kept from one training to the next.

    Returns:
        The split without unusable clips, and the spectrograms of those that are left.

    Raises:
        KernelError: not one clip can be used, or the cache cannot be written.
    """
    cached = cache.get_or_make(split, config, lambda: _make_all(split, config))
    for failure in cached.failures:
        print(f"{failure}; left out of the training", file=sys.stderr)
    if not cached.usable.any():
        raise KernelError(f"{split.folder}: none of {len(split.fnames)} clips can be used; see the lines above")
    return split.subset(cached.usable), cached


def _make_all(split: Split, config: FrontendConfig) -> Iterator[Made | ClipError]:
    with (
        started_extractors(usable_cpus(), partial(print, file=sys.stderr)) as extractors,
        ThreadPoolExecutor(len(extractors)) as pool,
        Progress(f"spectrograms of {split.name}", len(split.fnames), "clip") as progress,
    ):
        idle: SimpleQueue[Extractor] = SimpleQueue()
        for extractor in extractors:
            idle.put(extractor)
        for paths in _groups(split.paths()):
            for result in pool.map(lambda path: _make(path, config, idle), paths):
                yield result
                progress.advance()


def _groups(paths: list[Path]) -> Iterator[list[Path]]:
    for first in range(0, len(paths), AT_A_TIME):
        yield paths[first : first + AT_A_TIME]


def _make(path: Path, config: FrontendConfig, idle: "SimpleQueue[Extractor]") -> Made | ClipError:
    extractor = idle.get()
    try:
        whole = extractor.waveform(path, replace(config, trim_top_db=None))
        digest = sound_digest(whole, config.sample_rate_hz) or f"silence of {len(whole)} samples"
        return extractor.spectrogram(path, config), digest
    except ClipError as error:
        return error
    except MemoryError:
        return ClipError(path, "does not fit into memory")
    except Exception as error:  # noqa: BLE001 - the night's work must not end for one clip
        return ClipError(path, f"meets a fault of ours ({error!r})")
    finally:
        idle.put(extractor)


def mean_and_std(spectrograms: SpectrogramTable) -> tuple[float, float]:
    """Mean and standard deviation over all bands and frames of all clips."""
    count, total, squares = 0, 0.0, 0.0
    for item in spectrograms:
        values = item.astype(np.float64)
        count += values.size
        total += float(values.sum())
        squares += float(np.square(values).sum())
    mean = total / count
    return mean, float(np.sqrt(max(squares / count - mean**2, 0.0)))
