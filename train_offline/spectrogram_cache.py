"""Keeps the spectrograms of a split on disk, by fingerprint of the settings and of the audio."""

import hashlib
import json
import os
import shutil
import tempfile
import time
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
from train_offline import sound_digest
from train_offline.dataset import Split
from train_offline.spectrogram_table import SpectrogramTable
from train_offline.whole_files import write_whole

Made = tuple[npt.NDArray[np.float16], str]
"""A spectrogram, [mels, frames], and the digest of its sound."""

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
PART_SUFFIX = ".part"

LEFT_AFTER_S = 24 * 3600.0
"""A folder of parts that nothing was written into for so long is left from a process that was killed."""


@dataclass(frozen=True)
class CachedSpectrograms:
    """The spectrograms of a split's usable clips."""

    table: SpectrogramTable
    """Those of the usable clips, mapped from the file: what memory has room for stays in the system's page cache."""
    usable: npt.NDArray[np.bool_]
    """[clips of the split] which could be used."""
    digests: tuple[str, ...]
    """[usable clips] what is the same for the same sound, also where silence was added at its ends."""
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
        self, split: Split, config: FrontendConfig, make: Callable[[], Iterable[Made | ClipError]]
    ) -> CachedSpectrograms:
        """The spectrograms of a split, made if they are not there yet.

        Args:
            split: the clips.
            config: the settings of the spectrograms.
            make: makes them, in the order of the clips; or says what was wrong with a clip.

        Raises:
            KernelError: the folder cannot be written or is full; nothing that was there is lost.
        """
        try:
            folder = self.path / fingerprint(split, config)
            if not _is_whole(folder, split, config):
                self._write(folder, split, config, make())
            return _read(folder, config.n_mels)
        except OSError as error:
            raise KernelError(
                f"{self.path}: spectrograms cannot be kept here ({error.strerror or error});"
                " make room, or choose another folder with --cache"
            ) from error

    def _write(self, folder: Path, split: Split, config: FrontendConfig, results: Iterable[Made | ClipError]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        self._remove_what_was_left()
        part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=PART_SUFFIX, dir=self.path))
        try:
            _write_parts(part, split, results)
            # Another training that wanted the same may have been quicker, and maps its own.
            if not _is_whole(folder, split, config):
                _move_parts(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _remove_what_was_left(self) -> None:
        """By processes that were killed, some time ago: what others are writing at the moment stays."""
        for part in self.path.glob(f"*{PART_SUFFIX}"):
            if time.time() - part.stat().st_mtime > LEFT_AFTER_S:
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
    for module in (*WHAT_COMPUTES, sound_digest):
        content.update(Path(str(module.__file__)).read_bytes())
    for fname, path in zip(split.fnames, split.paths(), strict=True):
        stat = path.stat()
        content.update(f"{fname} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return content.hexdigest()[:24]


def _is_whole(folder: Path, split: Split, config: FrontendConfig) -> bool:
    """Whether all is there, nothing of it is cut off, and what could not be used has not changed since."""
    try:
        index = json.loads((folder / INDEX_NAME).read_text(encoding="utf-8"))
        size = sum(index["lengths"]) * config.n_mels * np.float16().itemsize
        then = {int(clip): changed_ns for clip, (_, changed_ns) in index["failures"].items()}
        return (folder / FRAMES_NAME).stat().st_size == size and then == _changes_ns(split, then)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _changes_ns(split: Split, clips: Iterable[int]) -> dict[int, int]:
    """When each of these clips was changed last, its permissions included."""
    return {clip: (split.folder / split.fnames[clip]).stat().st_ctime_ns for clip in clips}


def _move_parts(part: Path, folder: Path) -> None:
    """File by file, the index last: nothing is removed that another training may have mapped or be about to read."""
    folder.mkdir(exist_ok=True)  # it may be there: what an interrupted removal left
    for name in (FRAMES_NAME, INDEX_NAME):
        (part / name).replace(folder / name)


def _write_parts(folder: Path, split: Split, results: Iterable[Made | ClipError]) -> None:
    lengths: list[int] = []
    digests: list[str] = []
    failures: dict[int, str] = {}
    with (folder / FRAMES_NAME).open("wb") as file:
        for clip, result in enumerate(results):
            if isinstance(result, ClipError):
                failures[clip] = str(result)
                continue
            spectrogram, digest = result
            file.write(spectrogram.T.tobytes())
            lengths.append(spectrogram.shape[1])
            digests.append(digest)
        file.flush()
        os.fsync(file.fileno())
    changed_ns = _changes_ns(split, failures)
    failed = {clip: [text, changed_ns[clip]] for clip, text in failures.items()}
    index = {"lengths": lengths, "digests": digests, "failures": failed}
    write_whole(folder / INDEX_NAME, json.dumps(index).encode())


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
    failures = tuple(text for text, _ in index["failures"].values())
    return CachedSpectrograms(table, usable, tuple(index["digests"]), failures)
