"""How often which values occur, as inline SVG."""

from collections.abc import Sequence

import numpy as np

from train_offline.chart_scale import Scale, end_after, number_text
from train_offline.svg_parts import AXIS_HEIGHT, LEFT, RIGHT, TOP, WIDTH, svg, tooltip, x_axis, y_axis

PLOT_HEIGHT = 140
BINS = 60


def histogram(
    values: Sequence[float], *, title: str, x_label: str, y_label: str, x_end: float | None = None, colour: int = 0
) -> str:
    """Upright bars over an axis from 0.

    Args:
        values: not negative.
        title: what is seen, for those who cannot see it.
        x_label: the x axis with its unit.
        y_label: what is counted.
        x_end: where the x axis ends at least.
        colour: which of the colours.
    """
    end = end_after([*values, x_end or 0.0])
    counts, edges = np.histogram(values, bins=BINS, range=(0.0, end))
    bottom = TOP + PLOT_HEIGHT
    x_scale = Scale(0.0, end, LEFT, WIDTH - RIGHT)
    y_scale = Scale(0.0, end_after([1.05 * float(counts.max())]), bottom, TOP)
    bars = []
    for count, low, high in zip(counts.tolist(), edges.tolist(), edges[1:].tolist(), strict=False):
        if count:
            x, y = x_scale(low), y_scale(count)
            place = f'x="{x}" y="{y}" width="{x_scale(high) - x:.2f}" height="{bottom - y:.2f}"'
            tip = tooltip(f"{count:,} from {number_text(low)} to {number_text(high)}")
            bars.append(f'<rect class="bar fill{colour}" {place}>{tip}</rect>')
    parts = [y_axis(y_scale, y_label, whole=True), *bars, x_axis(x_scale, bottom, x_label)]
    return svg(title, bottom + AXIS_HEIGHT, parts)
