"""Clips of other lengths made from the ones that there are: cut, or repeated until they are long enough."""

import hashlib
import json
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kernel_src.errors import KernelError
from simulator.durations import draw_durations_s

KEPT_IN = Path("build/clips")
"""Where they stay for the next run that wants the same ones, until somebody removes them (`make clean` does)."""

BYTES_PER_S = 2 * 44_100  # of the competition's clips, to tell beforehand whether there is room
ROOM_SHARE = 1.1


def recut(files: Mapping[str, Path], mean_s: float, seed: int, kept_in: Path = KEPT_IN) -> dict[str, Path]:
    """Makes each clip anew with a length of its own; the same call finds them made already.

    A shorter clip is cut out at a random place, a longer one is the original again and again: its labels stay true.

    Args:
        files: the original of each clip.
        mean_s: how long they are on average.
        seed: decides which of them are long, and where the short ones are cut out.
        kept_in: the folder that keeps them.

    Returns:
        The new file of each clip.

    Raises:
        KernelError: an original cannot be decoded, or there is no room.
    """
    folder = kept_in.resolve() / _fingerprint(files, mean_s, seed)
    if not folder.is_dir():
        _make(files, mean_s, seed, folder)
    return {name: folder / name for name in files}


def _make(files: Mapping[str, Path], mean_s: float, seed: int, folder: Path) -> None:
    """Makes the folder, whole or not at all."""
    _sweep(folder.parent)
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    part.mkdir(parents=True)
    try:
        _check_room(mean_s * len(files), part)
        rng = random.Random(seed)
        durations_s = draw_durations_s(len(files), mean_s, rng)
        for (name, original), duration_s in zip(sorted(files.items()), durations_s, strict=True):
            _write_clip(part / name, original, duration_s, rng)
        if not folder.is_dir():
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print(f"made {len(files):,} clips of {mean_s:g} s on average; they stay in {folder} for the next run", flush=True)


def _sweep(kept_in: Path) -> None:
    """Removes what simulators have half made that were killed before they could do so themselves."""
    for part in kept_in.glob("*.part"):
        if not Path("/proc", part.suffixes[-2][1:]).exists():
            shutil.rmtree(part, ignore_errors=True)


def _write_clip(path: Path, original: Path, duration_s: float, rng: random.Random) -> None:
    import soundfile  # noqa: PLC0415 - most rehearsals need no decoder

    try:
        info = soundfile.info(original)
        samples, rate_hz = soundfile.read(original, dtype="int16", always_2d=True)
        if not len(samples):
            raise KernelError(f"{original} has no samples, so no clip of another length can be made of it")
        resized = _resized(samples, max(1, round(duration_s * rate_hz)), rng)
        soundfile.write(path, resized, rate_hz, format=info.format, subtype=info.subtype)
    except (OSError, RuntimeError) as error:  # libsndfile's errors are RuntimeErrors
        raise KernelError(f"no clip of another length can be made of {original}: {error}") from error


def _resized(samples: Any, wanted: int, rng: random.Random) -> Any:
    """The first `wanted` samples of a signal that goes round, or as many from a random place in it."""
    import numpy as np  # noqa: PLC0415 - likewise

    if wanted <= len(samples):
        begin = rng.randint(0, len(samples) - wanted)
        return samples[begin : begin + wanted]
    return np.resize(samples, (wanted, samples.shape[1]))


def _check_room(seconds_s: float, folder: Path) -> None:
    wanted_bytes, free_bytes = ROOM_SHARE * seconds_s * BYTES_PER_S, shutil.disk_usage(folder).free
    if wanted_bytes > free_bytes:
        raise KernelError(
            f"{folder.parent}: clips of {seconds_s / 3600:.1f} h take {wanted_bytes / 1e9:.1f} GB, and only"
            f" {free_bytes / 1e9:.1f} GB are free; make room, or give fewer --clips"
        )


def _fingerprint(files: Mapping[str, Path], mean_s: float, seed: int) -> str:
    """A name for these clips of these originals; one that has changed since gives another."""
    states = {path: path.stat() for path in set(files.values()) if path.exists()}
    rows = [
        (name, str(path.resolve()), [states[path].st_size, states[path].st_mtime_ns] if path in states else None)
        for name, path in sorted(files.items())
    ]
    return hashlib.sha256(json.dumps([rows, mean_s, seed]).encode()).hexdigest()[:16]
