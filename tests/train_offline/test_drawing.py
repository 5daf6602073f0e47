"""Charts and pages, looked at as text; test_report.py looks at them in a browser."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.report import PHASES
from simulator.report_passes import PASSES
from train_offline.chart_scale import number_text, thinned, ticks
from train_offline.drawing import Bar, Lane, Level, Mark, Series, lane_chart, line_chart
from train_offline.page import page, table

SVG = "{http://www.w3.org/2000/svg}"
POINTS = st.lists(st.tuples(st.floats(0, 1e9), st.floats(-1e12, 1e12)), max_size=30).map(sorted)


def numbers_in(root: ET.Element) -> list[float]:
    names = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height")
    return [float(element.get(name, "0")) for element in root.iter() for name in names]


@given(points=POINTS, steps=st.booleans(), from_zero=st.booleans())
def test_any_line_is_drawn_inside_its_picture(points: list[tuple[float, float]], steps: bool, from_zero: bool) -> None:
    text = line_chart(
        [Series("a & b", points, steps=steps)], title="<t>", x_label="s", y_label="GB", from_zero=from_zero
    )
    root = ET.fromstring(text)
    width, height = (float(number) for number in root.get("viewBox", "").split()[2:])
    drawn = [element for element in root.iter(f"{SVG}path") if "line" in element.get("class", "")]
    assert len(drawn) == bool(points)
    assert all(-height <= number <= max(width, 2 * height) for number in numbers_in(root))


def test_limits_and_marks_are_named_in_the_picture() -> None:
    text = line_chart(
        [Series("memory", [(0, 1), (10, 2)])],
        title="memory",
        x_label="s",
        y_label="GB",
        levels=[Level(14, "limit")],
        marks=[Mark(5, "spill began")],
    )
    assert ">limit</text>" in text
    assert "spill began at 5" in text


def test_each_bar_tells_what_it_was_and_when() -> None:
    text = lane_chart([Lane("fold 0", [Bar(1, 3, "view 0")])], title="passes", x_label="s", x_end=10)
    root = ET.fromstring(text)
    (bar,) = root.iter(f"{SVG}rect")
    assert bar[0].text == "view 0: 1 to 3"
    assert float(bar.get("width", "0")) == pytest.approx(0.2 * (900 - 150 - 20), abs=0.1)


@given(marks=st.lists(st.tuples(st.floats(0, 10), st.text("abc ", min_size=1, max_size=50)), max_size=20))
def test_no_two_names_of_marks_lie_on_each_other(marks: list[tuple[float, str]]) -> None:
    text = lane_chart([], title="t", x_label="", x_end=10, marks=[Mark(x, f"x{name}x") for x, name in marks])
    seen: list[tuple[float, float, float]] = []
    for x, y, anchor, name in re.findall(r'x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">(x[^<]*x)</text>', text):
        width = 6.5 * len(name)
        begin = float(x) - (width if anchor == "end" else 0)
        assert 0 <= begin <= begin + width <= 900
        assert all(float(y) != other_y or begin + width <= b or e <= begin for other_y, b, e in seen)
        seen.append((float(y), begin, begin + width))
    assert bool(seen) == bool(marks)


def test_a_chart_of_lanes_says_what_its_colours_mean() -> None:
    text = lane_chart([Lane("a", [Bar(0, 1, "b", 2)])], title="t", x_label="s", key={2: "pass done"})
    assert '<rect class="fill2"' in text
    assert ">pass done</text>" in text


def test_all_colours_of_a_rehearsal_are_explained_inside_of_its_picture() -> None:
    key = dict([*PHASES.values(), *PASSES.values()])
    text = lane_chart([Lane("a", [Bar(0, 1, "b", 2)])], title="t", x_label="s", key=key)
    ends = [
        float(x) + 6.5 * len(name)
        for x, name in re.findall(r'x="([\d.]+)" y="[\d.]+" text-anchor="start">([^<]+)</text>', text)
    ]
    assert len(ends) == 5
    assert max(ends) < 900


def test_an_empty_chart_is_a_chart() -> None:
    assert ET.fromstring(lane_chart([], title="nothing", x_label="s")) is not None


@given(low=st.floats(-1e6, 1e6), span=st.floats(1e-3, 1e9))
def test_ticks_are_few_and_inside(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 7
    assert all(low - 1e-6 * span <= tick <= low + span + 1e-6 * span for tick in found)


@given(low=st.integers(0, 1000), span=st.floats(1, 1e6))
def test_what_is_counted_in_wholes_has_whole_ticks_and_no_more_of_them(low: int, span: float) -> None:
    found = ticks(low, low + span, whole=True)
    assert all(tick == round(tick) for tick in found)
    assert 1 <= len(found) <= 7


@pytest.mark.parametrize(("epochs", "named"), [(1, ["0", "1"]), (3, ["0", "1", "2", "3"]), (12, ["0", "2", "4"])])
def test_no_half_epoch_is_named(epochs: int, named: list[str]) -> None:
    points = [(number + 1.0, 0.5) for number in range(epochs)]
    text = line_chart([Series("a", points)], title="t", x_label="epoch", y_label="loss", x_whole=True)
    assert re.findall(r'text-anchor="middle">([\d.]+)</text>', text)[: len(named)] == named


@given(points=st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=1, max_size=400).map(sorted))
def test_thinning_keeps_the_peak_and_the_ends(points: list[tuple[float, float]]) -> None:
    few = thinned(points, most=50)
    assert len(few) <= 52
    assert few == sorted(few)
    assert (few[0], few[-1]) == (points[0], points[-1])
    assert max(y for _, y in few) == max(y for _, y in points)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (0.70712, "0.7071"), (12.5, "12.5"), (2.0, "2"), (-3, "-3"), (1e-7, "1e-07")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number_text(value) == text


def test_a_page_says_text_and_never_html_of_a_stranger() -> None:
    text = page("<script>", [table(("<b>",), [("<i>",)])])
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;i&gt;" in text
