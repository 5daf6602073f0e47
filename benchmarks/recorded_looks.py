"""What every network says of every view of some clips, recorded once so that orders of passes can be replayed."""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kernel_src import views
from kernel_src.cpus import usable_cpus
from kernel_src.manifest import MANIFEST_NAME, Manifest, read_manifest
from kernel_src.predict import look_through
from kernel_src.views import MAX_VIEWS, ZOOM, Window, view_order, windows
from kernel_src.weights import LoadedMember, load_member
from train_offline.batches import TrainingSet
from train_offline.progress import Progress

Float64 = npt.NDArray[np.float64]
Spectrogram = npt.NDArray[np.float16]
Views = Callable[[int, int], Sequence[Window]]
"""From a clip's frames and its index to its windows."""

VIEWS = Path(views.__file__)
"""Other views are other looks."""

BATCH_CLIPS = 16
RANDOM_LOOKS = 9
"""Looks that the silver solution's kernel took at each clip with each network."""


@dataclass(frozen=True)
class RecordedLooks:
    """The probabilities of all looks at one set of clips."""

    probabilities: Float64
    """[members, clips, views, labels] in the order of `windows`; NaN where a clip has fewer views."""
    random_probabilities: Float64
    """[members, clips, looks, labels] of the silver solution's random crops; no looks where they were not wanted."""
    orders: npt.NDArray[np.int8]
    """[members, clips, views] which view each member looks at first, second, ...; -1 behind the last."""
    targets: npt.NDArray[np.bool_]
    """[clips, labels]"""

    @property
    def view_counts(self) -> npt.NDArray[np.intp]:
        """[members, clips] how many views there are."""
        counts: npt.NDArray[np.intp] = (self.orders >= 0).sum(axis=2)
        return counts


def record(name: str, clips: TrainingSet, weights: Path, cache: Path, *, random_looks: bool = False) -> RecordedLooks:
    """Looks at every view of every clip with every member, or reads what was recorded before.

    Args:
        name: what these clips are called.
        clips: their spectrograms must be those of every member's frontend.
        weights: the weights folder.
        cache: where recordings are kept, by weights and clips.
        random_looks: whether the silver solution's looks are wanted too.
    """
    content = hashlib.sha256((weights / MANIFEST_NAME).read_bytes())
    content.update(VIEWS.read_bytes())
    kinds = [field.name for field in fields(RecordedLooks)]
    content.update(json.dumps([name, list(clips.fnames), random_looks, kinds]).encode())
    path = cache / f"looks-{content.hexdigest()[:16]}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **vars(_look_at_all(name, clips, weights, random_looks=random_looks)))
        part.replace(path)
    with np.load(path) as file:
        return RecordedLooks(**{key: file[key] for key in file.files})


def _look_at_all(name: str, clips: TrainingSet, weights: Path, *, random_looks: bool) -> RecordedLooks:
    manifest = read_manifest(weights)
    members = _load(weights, manifest)
    lengths = [item.shape[1] for item in clips.spectrograms]
    config = members[0].config
    n_labels = len(manifest.labels)
    orders = np.full((len(members), len(lengths), MAX_VIEWS), -1, np.int8)
    for rank, clip in np.ndindex(orders.shape[:2]):
        order = view_order(lengths[clip], config.crop_frames, config.n_mels, rank)
        orders[rank, clip, : len(order)] = order
    probabilities = np.full((*orders.shape, n_labels), np.nan)
    random_probabilities = np.full((*orders.shape[:2], RANDOM_LOOKS * random_looks, n_labels), np.nan)

    def covering(n_frames: int, _clip: int) -> Sequence[Window]:
        return windows(n_frames, config.crop_frames, config.n_mels)

    def at_random(n_frames: int, clip: int) -> Sequence[Window]:
        return silver_windows(n_frames, config.crop_frames, config.n_mels, np.random.default_rng(clip))

    jobs: list[tuple[Views, Float64]] = [(covering, probabilities)]
    if random_looks:
        jobs.append((at_random, random_probabilities))
    total = len(members) * (int((orders[0] >= 0).sum()) + random_probabilities.shape[1] * random_probabilities.shape[2])
    torch.set_num_threads(1)
    with ThreadPoolExecutor(usable_cpus()) as pool, Progress(f"looks at {name}", total, "look") as progress:
        for views, out in jobs:
            done = [
                pool.submit(_look_with, member, clips.spectrograms, views, out[index], progress)
                for index, member in enumerate(members)
            ]
            for future in done:
                future.result()
    return RecordedLooks(probabilities, random_probabilities, orders, clips.targets)


def _load(weights: Path, manifest: Manifest) -> list[LoadedMember]:
    """All members, the best out of fold first, as the kernel ranks them."""
    ranked = sorted(manifest.members, key=lambda member: -(member.oof_lwlrap or 0.0))
    return [load_member(weights, member, len(manifest.labels), torch.device("cpu")) for member in ranked]


def _look_with(
    member: LoadedMember, spectrograms: Sequence[Spectrogram], views: Views, out: Float64, progress: Progress
) -> None:
    """Fills `out`, [clips, views, labels]."""
    looks = [
        (clip, view, window)
        for clip, spectrogram in enumerate(spectrograms)
        for view, window in enumerate(views(spectrogram.shape[1], clip))
    ]
    for first in range(0, len(looks), BATCH_CLIPS):
        clips, indices, batch = zip(*looks[first : first + BATCH_CLIPS], strict=True)
        out[list(clips), list(indices)] = look_through(member, [spectrograms[clip] for clip in clips], batch)
        progress.advance(len(clips))


def silver_windows(n_frames: int, crop_frames: int, n_mels: int, rng: np.random.Generator) -> list[Window]:
    """The silver solution's looks at one clip: a random crop zoomed to each of four corners, twice, and a plain one."""
    length, bands = round(crop_frames / ZOOM), round(n_mels / ZOOM)
    found = []
    for look in range(RANDOM_LOOKS):
        slack = n_frames - crop_frames
        start = int(rng.integers(min(0, slack), max(0, slack) + 1))
        right, high = look % 2, look // 2 % 2
        if look == RANDOM_LOOKS - 1:
            found.append(Window(start, crop_frames, 0, n_mels))
        else:
            found.append(Window(start + right * (crop_frames - length), length, high * (n_mels - bands), bands))
    return found
