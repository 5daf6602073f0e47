"""Charts over time as inline SVG, for pages that open anywhere and fetch nothing: lines, and bars in lanes.

Every line and bar bears its values as a tooltip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from train_offline.chart_scale import Scale, end_after, number_text, room_for, thinned
from train_offline.svg_parts import (
    AXIS_HEIGHT,
    COLOURS,
    LEFT,
    LEGEND_ROW_HEIGHT,
    LETTER_PX,
    RIGHT,
    TOP,
    WIDTH,
    legend,
    legend_height,
    line_css,
    svg,
    text_at,
    tooltip,
    x_axis,
    y_axis,
)

PLOT_HEIGHT = 200
LANE_HEIGHT = 26
LANE_NAME_WIDTH = 150
MARK_ROWS = 3
MARK_ROW_HEIGHT = 14
DOTTED_POINTS = 20
"""Lines of at most so many points show each of them, with its values as a tooltip."""


@dataclass(frozen=True)
class Series:
    """A line of a chart."""

    name: str
    """What it shows."""
    points: Sequence[tuple[float, float]]
    """x and y, in the order of x."""
    steps: bool = False
    """Whether a value holds until the next one."""


@dataclass(frozen=True)
class Mark:
    """Something that happened at one place of the x axis."""

    x: float
    """Where."""
    text: str
    """What."""


@dataclass(frozen=True)
class Level:
    """A horizontal line, such as a limit."""

    y: float
    """How high."""
    text: str
    """What it means."""


@dataclass(frozen=True)
class Bar:
    """Something that took a while."""

    begin: float
    """Where it begins on the x axis."""
    end: float
    """Where it ends."""
    text: str
    """What it was."""
    colour: int = 0
    """Which of the colours."""


@dataclass(frozen=True)
class Lane:
    """A row of bars."""

    name: str
    """What the row shows."""
    bars: Sequence[Bar]
    """Its bars."""


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    x_end: float | None = None,
    from_zero: bool = True,
    x_whole: bool = False,
    y_whole: bool = False,
    levels: Sequence[Level] = (),
    marks: Sequence[Mark] = (),
    left: float = LEFT,
) -> str:
    """Lines over one pair of axes, as SVG.

    Args:
        series: the lines; a chart without any point is drawn empty.
        title: what is seen, for those who cannot see it.
        x_label: the x axis with its unit.
        y_label: the y axis with its unit.
        x_end: where the x axis ends at least.
        from_zero: whether the y axis begins at 0.
        x_whole: whether only whole numbers are named at the x axis.
        y_whole: the same of the y axis.
        levels: horizontal lines across.
        marks: vertical lines across.
        left: where the x axis begins in the picture; `LANE_NAME_WIDTH` for a chart below lanes.
    """
    xs = [x for line in series for x, _ in line.points] + [mark.x for mark in marks]
    ys = [y for line in series for _, y in line.points] + [level.y for level in levels]
    names = [line.name for line in series]
    bottom = TOP + PLOT_HEIGHT
    x_scale = Scale(0.0, end_after([*xs, x_end or 0.0]), left, WIDTH - RIGHT)
    y_scale = Scale(*room_for(ys, from_zero=from_zero), bottom, TOP)
    parts = [
        x_axis(x_scale, bottom, x_label, whole=x_whole),
        y_axis(y_scale, y_label, whole=y_whole, left=left),
        *(_level(level, y_scale, left) for level in levels),
        *(_line(line, number, x_scale, y_scale) for number, line in enumerate(series)),
        *(_mark(mark, x_scale, bottom) for mark in marks),
        legend(names, bottom + AXIS_HEIGHT),
    ]
    return svg(title, bottom + AXIS_HEIGHT + legend_height(names), parts)


def lane_chart(
    lanes: Sequence[Lane],
    *,
    title: str,
    x_label: str,
    x_end: float | None = None,
    marks: Sequence[Mark] = (),
    key: Mapping[int, str] | None = None,
) -> str:
    """Rows of bars over one x axis, as SVG.

    Args:
        lanes: the rows, from top to bottom.
        title: what is seen, for those who cannot see it.
        x_label: the x axis with its unit.
        x_end: where the x axis ends at least.
        marks: vertical lines across; as many of them are named as there is room for.
        key: what a colour means, where the lanes do not say it.
    """
    ends = [bar.end for lane in lanes for bar in lane.bars] + [mark.x for mark in marks]
    x_scale = Scale(0.0, end_after([*ends, x_end or 0.0]), LANE_NAME_WIDTH, WIDTH - RIGHT)
    rows_end = MARK_ROWS * MARK_ROW_HEIGHT if marks else 0
    top = TOP + rows_end
    bottom = top + LANE_HEIGHT * max(1, len(lanes))
    parts = [x_axis(x_scale, bottom, x_label)]
    parts += [_lane(lane, top + LANE_HEIGHT * row, x_scale) for row, lane in enumerate(lanes)]
    parts += [_mark(mark, x_scale, bottom) for mark in marks]
    parts += _mark_texts(marks, x_scale)
    parts.append(_key(key, bottom + AXIS_HEIGHT))
    return svg(title, bottom + AXIS_HEIGHT + (LEGEND_ROW_HEIGHT if key else 0), parts)


def _line(series: Series, number: int, x_scale: Scale, y_scale: Scale) -> str:
    points = thinned(series.points)
    if not points:
        return ""
    commands = [f"M{x_scale(points[0][0])} {y_scale(points[0][1])}"]
    for x, y in points[1:]:
        commands.append(f"H{x_scale(x)}V{y_scale(y)}" if series.steps else f"L{x_scale(x)} {y_scale(y)}")
    dots = [_dot(x_scale(x), y_scale(y), f"{series.name}: {number_text(y)} at {number_text(x)}") for x, y in points]
    line = f'<path class="line {line_css(number)}" d="{"".join(commands)}">{tooltip(series.name)}</path>'
    few = series.steps or len(points) <= DOTTED_POINTS
    return line + (f'<g class="fill{number % COLOURS}">{"".join(dots)}</g>' if few else "")


def _dot(x: float, y: float, tip: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="3">{tooltip(tip)}</circle>'


def _level(level: Level, scale: Scale, left: float) -> str:
    y = scale(level.y)
    line = f'<line class="level" x1="{left}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>'
    return line + text_at(WIDTH - RIGHT, y - 4, level.text, "end")


def _mark(mark: Mark, scale: Scale, bottom: float) -> str:
    x = scale(mark.x)
    tip = tooltip(f"{mark.text} at {number_text(mark.x)}")
    flag = f'<path class="flag" d="M{x} {TOP - 8}h10l-3 4l3 4h-10z">{tip}</path>'
    return f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP - 8}" y2="{bottom}">{tip}</line>{flag}'


def _mark_texts(marks: Sequence[Mark], scale: Scale) -> list[str]:
    """Each below its flag, in the first row where it lies on no other; those without room are shown by pointing."""
    rows: list[list[tuple[float, float]]] = [[] for _ in range(MARK_ROWS)]
    parts = []
    for mark in marks:
        x, width = scale(mark.x), LETTER_PX * len(mark.text)
        sides = [(x + 4, x + 4 + width, "start"), (x - 4 - width, x - 4, "end")]
        free = [
            (row, taken, side)
            for side in sides
            if side[0] >= 0 and side[1] <= WIDTH
            for row, taken in enumerate(rows)
            if all(side[1] <= begin or end <= side[0] for begin, end in taken)
        ]
        if free:
            row, taken, (begin, end, anchor) = free[0]
            taken.append((begin, end))
            place = begin if anchor == "start" else end
            parts.append(text_at(place, TOP + 11 + MARK_ROW_HEIGHT * row, mark.text, anchor))
    return parts


def _key(key: Mapping[int, str] | None, y: float) -> str:
    """Patches of colour in a row, each with its meaning behind it."""
    parts, x = [], float(LANE_NAME_WIDTH)
    for colour, text in (key or {}).items():
        parts.append(f'<rect class="fill{colour % COLOURS}" x="{x}" y="{y + 4}" width="10" height="10"/>')
        parts.append(text_at(x + 15, y + 13, text, "start"))
        x += LETTER_PX * len(text) + 35
    return "".join(parts)


def _lane(lane: Lane, y: float, scale: Scale) -> str:
    parts = [text_at(LANE_NAME_WIDTH - 8, y + LANE_HEIGHT / 2 + 4, lane.name, "end")]
    for bar in lane.bars:
        x, width = scale(bar.begin), max(1.5, scale(bar.end) - scale(bar.begin))
        tip = tooltip(f"{bar.text}: {number_text(bar.begin)} to {number_text(bar.end)}")
        place = f'x="{x}" y="{y + 4}" width="{round(width, 2)}" height="{LANE_HEIGHT - 8}"'
        parts.append(f'<rect class="bar fill{bar.colour % COLOURS}" {place}>{tip}</rect>')
    return "".join(parts)
