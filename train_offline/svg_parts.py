"""What every chart is made of: the picture itself, texts, axes and a legend, as inline SVG.

Colours come from the page's style sheet (see page.py), so that a chart follows a dark or light screen.
"""

from collections.abc import Sequence
from html import escape

from train_offline.chart_scale import Scale, number_text, ticks

WIDTH = 900
LEFT = 70
RIGHT = 20
TOP = 14
AXIS_HEIGHT = 40
COLOURS = 6
LETTER_PX = 7.0
"""About as wide as a letter of a label is, on the safe side."""
LEGEND_ROW_HEIGHT = 18
_LEGEND_COLUMNS = 5


def svg(title: str, height: float, parts: Sequence[str]) -> str:
    """A picture of `WIDTH` by `height`; its title is for those who cannot see it."""
    head = f'<svg role="img" viewBox="0 0 {WIDTH} {height}" xmlns="http://www.w3.org/2000/svg">'
    return f"{head}<title>{escape(title)}</title>{''.join(parts)}</svg>"


def shortened(text: str, most_letters: int) -> str:
    """A text that has to fit, with an ellipsis for what is cut off."""
    return text if len(text) <= most_letters else text[: most_letters - 1] + "…"


def text_at(x: float, y: float, text: str, anchor: str, css: str = "label") -> str:
    """A text whose `anchor`, start, middle or end, is at a place."""
    return f'<text class="{css}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def turned_text(x: float, y: float, text: str, anchor: str = "middle", css: str = "label") -> str:
    """A text that reads upwards."""
    place = f'text-anchor="{anchor}" transform="translate({x} {y}) rotate(-90)"'
    return f'<text class="{css}" {place}>{escape(text)}</text>'


def tooltip(text: str) -> str:
    """What a shape says when it is pointed at."""
    return f"<title>{escape(text)}</title>"


def x_axis(scale: Scale, y: float, label: str, *, whole: bool = False) -> str:
    """A line with ticks and numbers below, whole ones where asked for, and what they mean."""
    parts = [f'<line class="axis" x1="{scale.begin_px}" x2="{scale.end_px}" y1="{y}" y2="{y}"/>']
    for tick in ticks(scale.low, scale.high, whole=whole):
        x = scale(tick)
        parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{y}" y2="{y + 4}"/>')
        parts.append(text_at(x, y + 16, number_text(tick), "middle"))
    return "".join([*parts, text_at((scale.begin_px + scale.end_px) / 2, y + 34, label, "middle")])


def y_axis(scale: Scale, label: str, *, whole: bool = False, left: float = LEFT) -> str:
    """Grid lines across with their numbers at their left ends, whole ones where asked for, and what they mean."""
    parts = []
    for tick in ticks(scale.low, scale.high, whole=whole):
        y = scale(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(text_at(left - 6, y + 4, number_text(tick), "end"))
    return "".join([*parts, turned_text(left - 56, (scale.begin_px + scale.end_px) / 2, label)])


def legend_height(names: Sequence[str]) -> float:
    """How much room the legend takes: none for a single line."""
    rows = -(-len(names) // _LEGEND_COLUMNS)
    return rows * LEGEND_ROW_HEIGHT if len(names) > 1 else 0


def legend(names: Sequence[str], y: float) -> str:
    """Which colour is what, in rows of five from `y` downwards."""
    if len(names) < 2:
        return ""
    parts = []
    column_width = (WIDTH - LEFT - RIGHT) / _LEGEND_COLUMNS
    for number, name in enumerate(names):
        x = LEFT + column_width * (number % _LEGEND_COLUMNS)
        middle = y + LEGEND_ROW_HEIGHT * (number // _LEGEND_COLUMNS) + LEGEND_ROW_HEIGHT / 2
        line = f'x1="{x}" x2="{x + 22}" y1="{middle}" y2="{middle}"'
        parts.append(f'<line class="line {line_css(number)}" {line}/>')
        parts.append(text_at(x + 28, middle + 4, name, "start"))
    return "".join(parts)


def line_css(number: int) -> str:
    """The look of a chart's line: another colour for each of six, dashed from the seventh on."""
    dashed = " dashed" if number // COLOURS % 2 else ""
    return f"stroke{number % COLOURS}{dashed}"
