"""The page that all reports share: its colours, and how its tables and drawings fit on a screen."""

import itertools
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from browser import look_at

from train_offline.drawing import Series, line_chart
from train_offline.page import STYLE, folded, page, section, table
from train_offline.svg_parts import COLOURS

CHART = line_chart([Series("a", [(0, 1), (1, 2)])], title="t", x_label="x", y_label="y")
PHONE = 400

# What is seen of linear red, green and blue by eyes of each kind (Machado, Oliveira and Fernandes, 2009).
EYES = {
    "all cones": np.eye(3),
    "no red cones": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no green cones": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no blue cones": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = np.array([[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8729]])  # of white: 1, 1, 1
TOLD_APART = 15.0


def linear(colour: str) -> npt.NDArray[np.float64]:
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def cielab(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x, y, z = np.cbrt(TO_XYZ @ np.clip(light, 0.001, 1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def colours(*, dark: bool) -> list[str]:
    """Of the lines and bars of a chart, by the style sheet."""
    light_rules, dark_rules = STYLE.split("@media (prefers-color-scheme: dark)")
    named = re.findall(r"--c(\d): (#\w{6});", light_rules) + re.findall(r"--c(\d): (#\w{6});", dark_rules) * dark
    by_number = dict(named)
    return [by_number[str(number)] for number in range(COLOURS)]


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_any_two_colours_of_a_chart_are_told_apart_by_all_eyes(eyes: str, dark: bool) -> None:
    seen = [cielab(np.array(EYES[eyes]) @ linear(colour)) for colour in colours(dark=dark)]
    assert min(float(np.linalg.norm(one - other)) for one, other in itertools.combinations(seen, 2)) > TOLD_APART


def test_a_number_in_a_table_is_never_broken(tmp_path: Path) -> None:
    rows = [(str(day), "it did what it had promised " * 3, "26.5", "0.8007", "what went wrong " * 20) for day in (1, 2)]
    path = tmp_path / "page.html"
    path.write_text(page("t", [section("s", table(("day", "fate", "s", "lwlrap", "wrong"), rows))]))
    lines = look_at(path, tmp_path)["lines"]
    assert {count for text, count in lines if text in ("26.5", "0.8007")} == {1}
    assert any(count > 1 for _, count in lines)


def test_on_a_phone_drawings_stay_readable_and_the_page_is_not_moved_sideways(tmp_path: Path) -> None:
    wide = table([f"column {number}" for number in range(12)], [["text"] * 12])
    path = tmp_path / "page.html"
    path.write_text(page("t", [wide, section("s", CHART, wide), section("s", folded("more", wide))]))
    seen = look_at(path, tmp_path, PHONE)
    assert not seen["wide"]
    assert [drawing["size"][0] for drawing in seen["drawings"]] == [640]


def test_a_table_whose_columns_have_no_names_has_no_empty_header() -> None:
    assert "<th" not in table(("", ""), [("seed", "0")])
    assert "<th>seed</th>" in table(("seed", ""), [("0", "")])
