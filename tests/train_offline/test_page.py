"""The page that all reports share: its colours."""

import itertools
import re

import numpy as np
import numpy.typing as npt
import pytest

from train_offline.page import STYLE
from train_offline.svg_parts import COLOURS

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
