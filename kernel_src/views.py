"""The windows of a spectrogram that the passes look at.

A clip's views are a fixed sequence: first windows that cover it end to end, then windows at the low or the high bands
and windows half-way between the first ones. All are enlarged, as the crops in training are. Every window of a clip is
another one: a short clip has few.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

Spectrogram = npt.NDArray[np.float16]

MAX_VIEWS = 16
"""The longest sequence; 16 windows end to end cover 64 s at the silver solution's settings."""

ZOOM = 1.1
"""How far windows at the low or the high bands are enlarged, along time and bands alike: the silver solution's."""

MIDDLE_ZOOM = 1.05
"""How far all others are: as crops in training on average. A window that is not enlarged at all looks sharper than
anything that a network has learnt from, and is worth much less (`docs/planning.md`)."""


@dataclass(frozen=True)
class Window:
    """A part of a spectrogram, stretched to the network's input size."""

    start_frames: int
    """The first frame; may lie before the clip, where there is padding."""
    length_frames: int
    """Frames before stretching; may reach past the clip's end."""
    first_mel: int
    """The lowest band."""
    n_mels: int
    """Bands before stretching."""


@lru_cache(maxsize=4096)
def windows(n_frames: int, crop_frames: int, n_mels: int) -> tuple[Window, ...]:
    """The views of a clip, in the order in which they are worth looking at.

    First windows of the middle bands over the whole clip, end to end; then, in turns, windows at the low and the high
    bands, the same places with the bands that these left out, and windows of the middle bands in between.

    Args:
        n_frames: the clip's length.
        crop_frames: the length of the network's input.
        n_mels: the bands of the clip and of the input.

    Returns:
        At least one and at most `MAX_VIEWS` windows, all different.
    """
    return tuple(_in_order(_groups(n_frames, crop_frames, n_mels), rank=0))


@lru_cache(maxsize=1 << 14)  # a dozen members, and as many lengths as clips have
def view_order(n_frames: int, crop_frames: int, n_mels: int, rank: int) -> tuple[int, ...]:
    """The order in which one of several networks looks at a clip's views, as indices into `windows`.

    Each network begins elsewhere, so that a long clip is covered by all of them together long before one of them has
    seen it all; every second network takes the other bands first.

    Args:
        n_frames: the clip's length.
        crop_frames: the length of the network's input.
        n_mels: the bands of the clip and of the input.
        rank: the network's place among the others.
    """
    index_of = {window: index for index, window in enumerate(windows(n_frames, crop_frames, n_mels))}
    return tuple(index_of[window] for window in _in_order(_groups(n_frames, crop_frames, n_mels), rank))


@dataclass(frozen=True)
class _Groups:
    """The views of a clip, by what they are for; each group is spread over the whole clip from its first few on."""

    middle: list[Window]
    """End to end, with the middle bands."""
    edges: list[Window]
    """End to end, with the low and the high bands in turns."""
    other_edges: list[Window]
    """The same places with the bands that `edges` leaves out."""
    between: list[Window]
    """Half-way between two of `middle`."""


def _groups(n_frames: int, crop_frames: int, n_mels: int) -> _Groups:
    """`MAX_VIEWS` views in all, all different; the later groups are the first to go without."""
    length, bands = round(crop_frames / MIDDLE_ZOOM), round(n_mels / MIDDLE_ZOOM)
    if n_frames <= length:
        cover = [(n_frames - length) // 2]  # in the middle, padding on both sides
        between: list[int] = []
    else:
        cover = _spread(0, n_frames - length, min(MAX_VIEWS, math.ceil(n_frames / length)))
        between = [(low + high) // 2 for low, high in itertools.pairwise(cover)]
    in_the_middle = [
        [Window(start, length, (n_mels - bands) // 2, bands) for start in _coarse_to_fine(starts)]
        for starts in (cover, between)
    ]
    at_the_edges = [_windows_at_the_edges(n_frames, round(crop_frames / ZOOM), n_mels, turn) for turn in (0, 1)]
    groups = [in_the_middle[0], *at_the_edges, in_the_middle[1]]
    seen: set[Window] = set()
    for group in groups:
        group[:] = [window for window in dict.fromkeys(group) if window not in seen][: MAX_VIEWS - len(seen)]
        seen.update(group)
    return _Groups(*groups)


def _in_order(groups: _Groups, rank: int) -> list[Window]:
    """All views as a network of this rank looks at them."""
    first, second = groups.edges, groups.other_edges
    if rank % 2 and len(second) == len(first):
        first, second = second, first
    rest = _in_turns(*(_rotated(group, rank) for group in (first, second, groups.between)))
    return [*_rotated(groups.middle, rank), *rest]


def _windows_at_the_edges(n_frames: int, length_frames: int, n_mels: int, turn: int) -> list[Window]:
    """Windows over the whole clip, by turns with the low and the high bands; odd turns the other way round."""
    n_bands = round(n_mels / ZOOM)
    edges = sorted((0, n_frames - length_frames))
    starts = _coarse_to_fine(_spread(edges[0], edges[1], max(2, math.ceil(n_frames / length_frames))))
    first_mels = (0, n_mels - n_bands)
    return [Window(start, length_frames, first_mels[(index + turn) % 2], n_bands) for index, start in enumerate(starts)]


def _rotated(items: list[Window], by: int) -> list[Window]:
    """The same items in a circle, beginning elsewhere."""
    turn = by % max(1, len(items))
    return items[turn:] + items[:turn]


def _in_turns(*groups: list[Window]) -> list[Window]:
    """The items of all groups, each group spread evenly over the whole."""
    places = [((place + 0.5) / len(group), window) for group in groups for place, window in enumerate(group)]
    return [window for _, window in sorted(places, key=lambda item: item[0])]


def _spread(first: int, last: int, count: int) -> list[int]:
    """`count` whole numbers from `first` to `last`, as even as can be."""
    return [round(first + (last - first) * index / (count - 1)) for index in range(count)]


def _coarse_to_fine(items: Sequence[int]) -> list[int]:
    """The same items, ordered so that each beginning of the list is spread over the whole."""
    bits = max(1, (len(items) - 1).bit_length())
    return [items[i] for i in sorted(range(len(items)), key=lambda i: int(f"{i:0{bits}b}"[::-1], 2))]


def cut(spectrogram: Spectrogram, window: Window, silence: float | None) -> Spectrogram:
    """The part of a spectrogram that a window shows, before stretching.

    Args:
        spectrogram: [mels, frames] float16.
        window: may reach beyond the clip at both ends.
        silence: the value beyond the ends; None where the clip is heard again and again instead.

    Returns:
        [window.n_mels, window.length_frames] float16: a view, or a copy where the window reaches beyond the clip.
    """
    n_frames = spectrogram.shape[1]
    bands = slice(window.first_mel, window.first_mel + window.n_mels)
    if 0 <= window.start_frames <= n_frames - window.length_frames:
        return spectrogram[bands, window.start_frames : window.start_frames + window.length_frames]
    if silence is None:
        frames = np.arange(window.start_frames, window.start_frames + window.length_frames) % n_frames
        repeated: Spectrogram = spectrogram[bands].take(frames, axis=1)
        return repeated
    part = np.full((window.n_mels, window.length_frames), silence, np.float16)
    first, last = max(0, window.start_frames), min(n_frames, window.start_frames + window.length_frames)
    part[:, first - window.start_frames : last - window.start_frames] = spectrogram[bands, first:last]
    return part


def stretch(parts: Sequence[Spectrogram], n_mels: int, crop_frames: int, device: torch.device) -> torch.Tensor:
    """Parts of any size, each stretched to the network's input on its device; parts of one size together.

    Args:
        parts: each [bands, frames] float16.
        n_mels: bands of the result.
        crop_frames: frames of the result.
        device: where to stretch. What moves to a GPU is half as large before as after.

    Returns:
        [batch, 1, n_mels, crop_frames] float32 on the device.
    """
    rows_of: dict[tuple[int, ...], list[int]] = {}
    for row, part in enumerate(parts):
        rows_of.setdefault(part.shape, []).append(row)
    batch = torch.empty(len(parts), 1, n_mels, crop_frames, device=device)
    for shape, rows in rows_of.items():
        images = torch.from_numpy(np.stack([parts[row] for row in rows]))[:, None]
        if device.type == "cuda":  # from pinned memory a copy is twice as quick, and nobody waits for it
            images = images.pin_memory().to(device, non_blocking=True)
        images = images.float()  # torch's way from float16 to float32 takes a tenth of numpy's time
        if shape != (n_mels, crop_frames):
            images = F.interpolate(images, (n_mels, crop_frames), mode="bilinear", align_corners=False)
        if len(rows_of) == 1:
            return images
        batch[rows] = images
    return batch
