"""Keeps the spectrograms of a split on disk, by fingerprint of the settings and of the audio."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kernel_src import (
    audio,
    frontend,
    frontend_native,
    frontend_numpy,
    frontend_source,
    mel_filters,
    mel_source,
    native_code,
)
from kernel_src.errors import ClipError, KernelError
from kernel_src.frontend import FrontendConfig
from train_offline.dataset import Split
from train_offline.spectrogram_table import SpectrogramTable

Spectrogram = npt.NDArray[np.float16]

WHAT_COMPUTES = (
    audio,
    frontend,
    frontend_native,
    frontend_numpy,
    frontend_source,
    mel_filters,
    mel_source,
    native_code,
)
"""The modules that decide what a spectrogram is."""

FRAMES_NAME = "frames.f16"
INDEX_NAME = "index.json"


@dataclass(frozen=True)
class CachedSpectrograms:
    """The spectrograms of a split's usable clips."""

    table: SpectrogramTable
    """Those of the usable clips, mapped from the file: what memory has room for stays in the system's page cache."""
    usable: npt.NDArray[np.bool_]
    """[clips of the split] which could be used."""
    digests: tuple[str, ...]
    """[usable clips] what is the same for the same sound."""
    failures: tuple[str, ...]
    """What was wrong with the others."""


class SpectrogramCache:
    """A folder of spectrograms.

    Args:
        path: the folder; made when it is first needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get_or_make(
        self, split: Split, config: FrontendConfig, make: Callable[[], Iterable[Spectrogram | ClipError]]
    ) -> CachedSpectrograms:
        """The spectrograms of a split, made if they are not there yet.

        Args:
            split: the clips.
            config: the settings of the spectrograms.
            make: makes them, in the order of the clips; each [mels, frames] float16, or what was wrong with the clip.

        Raises:
            KernelError: the folder cannot be written or is full; nothing that was there is lost.
        """
        folder = self.path / fingerprint(split, config)
        try:
            if not _is_whole(folder):
                self._write(folder, make())
            return _read(folder, config.n_mels)
        except OSError as error:
            raise KernelError(
                f"{folder}: spectrograms cannot be kept here ({error.strerror or error});"
                " make room, or choose another folder with --cache"
            ) from error

    def _write(self, folder: Path, results: Iterable[Spectrogram | ClipError]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=self.path))
        try:
            _write_parts(part, results)
            if not _is_whole(folder):  # another training that wanted the same may have been quicker, and maps its own
                _move_parts(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def default_cache() -> Path:
    """Where caches of this user belong."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "hourglass" / "spectrograms"


def fingerprint(split: Split, config: FrontendConfig) -> str:
    """Changes with the settings, with the code that computes spectrograms, and with any of the files.

    A file is known by its name, size and time of last change: reading 26 GB to be sure would take longer than it saves.
    """
    content = hashlib.sha256(config.fingerprint.encode())
    for module in WHAT_COMPUTES:
        content.update(Path(str(module.__file__)).read_bytes())
    for fname, path in zip(split.fnames, split.paths(), strict=True):
        stat = path.stat()
        content.update(f"{fname} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return content.hexdigest()[:24]


def _is_whole(folder: Path) -> bool:
    return all((folder / name).exists() for name in (FRAMES_NAME, INDEX_NAME))


def _move_parts(part: Path, folder: Path) -> None:
    """File by file, the index last: nothing is removed that another training may have mapped or be about to read."""
    folder.mkdir(exist_ok=True)  # it may be there: what an interrupted removal left
    for name in (FRAMES_NAME, INDEX_NAME):
        (part / name).replace(folder / name)


def _write_parts(folder: Path, results: Iterable[Spectrogram | ClipError]) -> None:
    lengths: list[int] = []
    digests: list[str] = []
    failures: dict[int, str] = {}
    with (folder / FRAMES_NAME).open("wb") as file:
        for clip, result in enumerate(results):
            if isinstance(result, ClipError):
                failures[clip] = str(result)
                continue
            content = result.T.tobytes()
            file.write(content)
            lengths.append(result.shape[1])
            digests.append(hashlib.blake2b(content, digest_size=12).hexdigest())
    index = {"lengths": lengths, "digests": digests, "failures": failures}
    (folder / INDEX_NAME).write_text(json.dumps(index), encoding="utf-8")


def _read(folder: Path, n_mels: int) -> CachedSpectrograms:
    index = json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))
    lengths = np.array(index["lengths"], np.int64)
    usable = np.ones(len(lengths) + len(index["failures"]), np.bool_)
    usable[[int(clip) for clip in index["failures"]]] = False
    shape = (int(lengths.sum()), n_mels)
    # Copy-on-write, for torch wants writable arrays; nothing is ever written.
    frames: npt.NDArray[np.float16] = (
        np.memmap(folder / FRAMES_NAME, np.float16, mode="c", shape=shape) if shape[0] else np.zeros(shape, np.float16)
    )
    table = SpectrogramTable(np.asarray(frames), np.cumsum(lengths) - lengths, lengths)
    return CachedSpectrograms(table, usable, tuple(index["digests"]), tuple(index["failures"].values()))
