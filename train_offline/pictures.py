"""Spectrograms as pictures with axes in seconds and hertz, each inside the page as a PNG."""

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from kernel_src.frontend import FrontendConfig
from kernel_src.mel_filters import mel_frequencies_hz
from train_offline.chart_scale import Scale, number_text, ticks
from train_offline.svg_parts import LETTER_PX, RIGHT, WIDTH, shortened, svg, text_at, tooltip, turned_text

LEFT = 62
GAP = 18
PANEL_HEIGHT = 130
CAPTION_LINE_HEIGHT = 15
AXIS_HEIGHT = 36
TICKS_HZ = (125, 500, 1000, 2000, 4000, 8000, 16000)
CLOSEST_TICKS_PX = 14
_SHARES_OUTSIDE = 0.005
"""Of the values, at either end, that are painted like their neighbours: single peaks would leave all others dark."""

# From dark to light by way of violet and orange: brightness rises evenly, so that it prints in grey too.
_COLOURS = np.array(
    [(8, 10, 34), (52, 22, 92), (118, 33, 109), (184, 55, 92), (233, 98, 58), (250, 164, 60), (252, 240, 190)],
    np.float64,
)


@dataclass(frozen=True)
class Picture:
    """A part of a spectrogram."""

    values: npt.NDArray[np.float32]
    """[mels, frames]"""
    caption: str


def png_address(values: npt.NDArray[np.float32], low: float, high: float) -> str:
    """A PNG of a spectrogram as an address that bears its own content.

    Args:
        values: [mels, frames]; the lowest band becomes the lowest line.
        low: this value and those below are darkest.
        high: this value and those above are lightest.
    """
    span = max(high - low, 1e-9)
    levels = np.clip((values[::-1] - low) / span * 255, 0, 255).astype(np.uint8)
    image = Image.fromarray(levels, mode="L")
    image.putpalette(_palette().tobytes())
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _palette() -> npt.NDArray[np.uint8]:
    """[256, 3] the colours between dark and light."""
    at = np.linspace(0, len(_COLOURS) - 1, 256)
    channels = [np.interp(at, np.arange(len(_COLOURS)), channel) for channel in _COLOURS.T]
    palette: npt.NDArray[np.uint8] = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    return palette


def picture_rows(
    rows: Sequence[Sequence[Picture]],
    frontend: FrontendConfig,
    *,
    title: str,
    headings: Sequence[str] = (),
    shared_colours: bool = True,
) -> str:
    """Pictures side by side in rows, all of the same bands, each with its own time axis below.

    Args:
        rows: the pictures.
        frontend: what they were made with.
        title: what is seen, for those who cannot see it.
        headings: one for each row, or none.
        shared_colours: whether a colour means the same value in all pictures of a row.
    """
    columns = max(map(len, rows), default=1)
    width = (WIDTH - LEFT - RIGHT - GAP * (columns - 1)) / columns
    captions = [[_lines(picture.caption, width) for picture in row] for row in rows]
    caption_height = 5 + CAPTION_LINE_HEIGHT * max((len(lines) for row in captions for lines in row), default=1)
    heading_height = CAPTION_LINE_HEIGHT if headings else 0
    row_height = heading_height + caption_height + PANEL_HEIGHT + AXIS_HEIGHT
    parts = []
    for number, row in enumerate(rows):
        top = number * row_height + heading_height + caption_height
        if headings:
            heading = shortened(headings[number], int((WIDTH - LEFT) / LETTER_PX))
            parts.append(text_at(LEFT, top - caption_height, heading, "start", "label strong"))
        parts.append(_bands(frontend, top))
        for column, picture in enumerate(row):
            x = Scale(0.0, _seconds_s(picture, frontend), *_sides(column, width))
            parts += [
                _panel(picture, x, top, png_address(picture.values, *_ends(row if shared_colours else [picture]))),
                _caption(captions[number][column], x.begin_px, top),
                _seconds_axis(x, top),
            ]
    return svg(title, row_height * max(1, len(rows)), parts)


def _ends(row: Sequence[Picture]) -> tuple[float, float]:
    values = np.concatenate([picture.values.ravel() for picture in row])
    low, high = np.quantile(values, [_SHARES_OUTSIDE, 1 - _SHARES_OUTSIDE])
    return float(low), float(high)


def _seconds_s(picture: Picture, frontend: FrontendConfig) -> float:
    return float(picture.values.shape[1]) * frontend.hop_samples / frontend.sample_rate_hz


def _sides(column: int, width: float) -> tuple[float, float]:
    left = LEFT + column * (width + GAP)
    return round(left, 1), round(left + width, 1)


def _panel(picture: Picture, x: Scale, top: float, address: str) -> str:
    place = f'x="{x.begin_px}" y="{top}" width="{x.end_px - x.begin_px:.1f}" height="{PANEL_HEIGHT}"'
    return f'<image {place} preserveAspectRatio="none" href="{address}">{tooltip(picture.caption)}</image>'


def _lines(caption: str, width: float) -> list[str]:
    """A caption in lines no wider than its picture; a word that is longer than a line is cut off."""
    most = max(1, int(width / LETTER_PX))
    lines = textwrap.wrap(caption, most, break_long_words=False, break_on_hyphens=False)
    return [shortened(line, most) for line in lines]


def _caption(lines: Sequence[str], x: float, top: float) -> str:
    """The last line right above the picture."""
    first = top - 6 - CAPTION_LINE_HEIGHT * (len(lines) - 1)
    return "".join(
        text_at(x, first + CAPTION_LINE_HEIGHT * number, line, "start", "label") for number, line in enumerate(lines)
    )


def _seconds_axis(x: Scale, top: float) -> str:
    bottom = top + PANEL_HEIGHT
    parts = [text_at((x.begin_px + x.end_px) / 2, bottom + 30, "s", "middle")]
    for tick in ticks(x.low, x.high):
        at = x(tick)
        parts.append(f'<line class="axis" x1="{at}" x2="{at}" y1="{bottom}" y2="{bottom + 4}"/>')
        parts.append(text_at(at, bottom + 16, number_text(tick), "middle"))
    return "".join(parts)


def _bands(frontend: FrontendConfig, top: float) -> str:
    """The frequencies at the left of a row, as many as there is room for."""
    centres = mel_frequencies_hz(frontend.n_mels + 2, frontend.fmin_hz, frontend.fmax_hz)[1:-1]
    parts = [turned_text(14, top + PANEL_HEIGHT / 2, "Hz")]
    last = float("inf")
    for tick in TICKS_HZ:
        band = float(np.interp(tick, centres, np.arange(len(centres))))
        y = round(top + PANEL_HEIGHT * (1 - (band + 0.5) / frontend.n_mels), 1)
        if centres[0] <= tick <= centres[-1] and last - y >= CLOSEST_TICKS_PX:
            parts.append(f'<line class="axis" x1="{LEFT - 4}" x2="{LEFT}" y1="{y}" y2="{y}"/>')
            parts.append(text_at(LEFT - 6, y + 4, number_text(tick), "end"))
            last = y
    return "".join(parts)
