"""Charts over names instead of time: bars in rows, and a heat map of pairs. As inline SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from train_offline.chart_scale import TICKS, Scale, end_after, number_text, ticks
from train_offline.svg_parts import (
    AXIS_HEIGHT,
    COLOURS,
    LETTER_PX,
    RIGHT,
    TOP,
    WIDTH,
    shortened,
    svg,
    text_at,
    tooltip,
    turned_text,
)

ROW_HEIGHT = 18
COLUMN_GAP = 24
LONGEST_NAME = 45
LEAST_BAR_PX = 100
"""A bar is at least as long as that at its longest, and names are cut off for it."""
NARROW_PX = 300
FEW_TICKS = 3
SMALL_LETTER_PX = 5.2
MOST_CELL_PX = 18
PALEST = 0.08
"""How much colour the faintest cell has that is not 0."""


@dataclass(frozen=True)
class Row:
    """One bar."""

    name: str
    """What it is about."""
    value: float
    """Its length; NaN where there is none."""
    note: str
    """Said at its end, such as the value with a count."""
    tip: str = ""
    """More of it, shown when it is pointed at."""
    whisker: tuple[float, float] | None = None
    """An interval around the value."""
    colour: int = 0
    """Which of the colours."""


def bar_rows(
    rows: Sequence[Row],
    *,
    title: str,
    x_label: str,
    columns: int = 1,
    x_end: float | None = None,
    whole: bool = False,
) -> str:
    """Bars below each other, each with its name and a note, in one or more columns that are read downwards.

    Args:
        rows: the bars, in the order in which they are shown.
        title: what is seen, for those who cannot see it.
        x_label: what the length of a bar means, with its unit.
        columns: how many.
        x_end: where the axes end at least.
        whole: whether only whole numbers are named at the axes.
    """
    known = [end for row in rows if not isnan(row.value) for end in (row.value, *(row.whisker or ()))]
    end = end_after([*known, x_end or 0.0])
    per_column = max(1, -(-len(rows) // columns))
    column_width = (WIDTH - RIGHT - COLUMN_GAP * (columns - 1)) / columns
    note_width = LETTER_PX * max((len(row.note) for row in rows), default=0) + 10
    most_letters = max(1, min(LONGEST_NAME, int((column_width - note_width - 10 - LEAST_BAR_PX) / LETTER_PX)))
    names = [shortened(row.name, most_letters) for row in rows]
    name_width = LETTER_PX * max(map(len, names), default=0) + 10
    bottom = TOP + ROW_HEIGHT * per_column
    parts = []
    for column in range(columns):
        left = column * (column_width + COLUMN_GAP)
        scale = Scale(0.0, end, left + name_width, left + column_width - note_width)
        shown = list(zip(rows, names, strict=True))[column * per_column : (column + 1) * per_column]
        if shown or column == 0:
            parts.append(_bar_axis(scale, bottom, x_label, whole=whole))
        parts += [_bar(row, name, TOP + ROW_HEIGHT * place, scale) for place, (row, name) in enumerate(shown)]
    return svg(title, bottom + AXIS_HEIGHT, parts)


def _bar_axis(scale: Scale, bottom: float, label: str, *, whole: bool) -> str:
    """Few ticks, for columns are narrow, with grid lines up through the bars."""
    parts = [f'<line class="axis" x1="{scale.begin_px}" x2="{scale.end_px}" y1="{bottom}" y2="{bottom}"/>']
    narrow = scale.end_px - scale.begin_px < NARROW_PX
    for tick in ticks(scale.low, scale.high, FEW_TICKS if narrow else TICKS, whole=whole):
        x = scale(tick)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(text_at(x, bottom + 16, number_text(tick), "middle"))
    return "".join([*parts, text_at((scale.begin_px + scale.end_px) / 2, bottom + 34, label, "middle")])


def _bar(row: Row, name: str, y: float, scale: Scale) -> str:
    middle = y + ROW_HEIGHT / 2
    parts = [text_at(scale.begin_px - 6, middle + 4, name, "end")]
    end = scale.begin_px
    if not isnan(row.value):
        end = scale(row.value)
        width = max(0.5, round(end - scale.begin_px, 2))
        place = f'x="{scale.begin_px}" y="{y + 3}" width="{width}" height="{ROW_HEIGHT - 6}"'
        tip = tooltip(row.tip or f"{row.name}: {row.note}")
        parts.append(f'<rect class="bar fill{row.colour % COLOURS}" {place}>{tip}</rect>')
    if row.whisker:
        low, high = map(scale, row.whisker)
        parts.append(f'<path class="whisker" d="M{low} {middle - 4}v8m0 -4H{high}m0 -4v8"/>')
        end = max(end, high)
    return "".join([*parts, text_at(end + 6, middle + 4, row.note, "start")])


def heat_map(
    shares: Sequence[Sequence[float]],
    names: Sequence[str],
    *,
    title: str,
    row_label: str,
    column_label: str,
    tips: Sequence[Sequence[str]],
) -> str:
    """Pairs of names as a square of cells, the darker the larger.

    Args:
        shares: [rows, columns] from 0, which is not drawn, to 1.
        names: of rows and columns alike.
        title: what is seen, for those who cannot see it.
        row_label: what a row means.
        column_label: what a column means.
        tips: [rows, columns] what a cell says when it is pointed at.
    """
    names = [shortened(name, LONGEST_NAME) for name in names]
    margin = SMALL_LETTER_PX * max(map(len, names), default=0) + 24
    cell = min(MOST_CELL_PX, (WIDTH - RIGHT - margin) / max(1, len(names)))
    side = cell * len(names)
    frame = f'<rect class="frame" x="{margin}" y="{margin}" width="{side:.1f}" height="{side:.1f}"/>'
    parts = [
        frame,
        turned_text(12, margin + side / 2, row_label),
        text_at(margin + side / 2, 12, column_label, "middle"),
    ]
    for place, name in enumerate(names):
        middle = round(margin + cell * (place + 0.5), 1)
        parts.append(text_at(margin - 4, middle + 3, name, "end", "label small"))
        parts.append(turned_text(middle + 3, margin - 4, name, "start", "label small"))
    for row, (values, texts) in enumerate(zip(shares, tips, strict=True)):
        for column, (share, tip) in enumerate(zip(values, texts, strict=True)):
            if share > 0:
                parts.append(_cell(margin + cell * column, margin + cell * row, cell, share, tip))
    return svg(title, margin + side + TOP, parts)


def _cell(x: float, y: float, size: float, share: float, tip: str) -> str:
    opacity = PALEST + (1 - PALEST) * min(1.0, share)
    place = f'x="{x:.1f}" y="{y:.1f}" width="{size:.1f}" height="{size:.1f}"'
    return f'<rect class="cell fill0" fill-opacity="{opacity:.2f}" {place}>{tooltip(tip)}</rect>'
