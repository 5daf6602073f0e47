"""Charts over names and pictures of spectrograms, looked at as text; test_weights_report.py looks in a browser."""

import base64
import io
import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kernel_src.frontend import FrontendConfig
from train_offline.label_charts import Row, bar_rows, heat_map
from train_offline.pictures import Picture, picture_rows, png_address

SVG = "{http://www.w3.org/2000/svg}"
NAMES = st.text("abc<&_", min_size=1, max_size=60)


@given(
    rows=st.lists(st.tuples(NAMES, st.floats(0, 1e9) | st.just(float("nan"))), max_size=20), columns=st.integers(1, 3)
)
def test_any_rows_are_drawn_inside_their_picture(rows: list[tuple[str, float]], columns: int) -> None:
    text = bar_rows([Row(name, value, "note") for name, value in rows], title="t", x_label="x", columns=columns)
    root = ET.fromstring(text)
    width, height = (float(number) for number in root.get("viewBox", "").split()[2:])
    bars = list(root.iter(f"{SVG}rect"))
    assert len(bars) == sum(not math.isnan(value) for _, value in rows)
    for bar in bars:
        x, y, length = (float(bar.get(name, "-1")) for name in ("x", "y", "width"))
        assert 0 <= x <= x + length <= width
        assert 0 <= y <= height


def test_bars_are_as_long_as_their_values_say_and_tell_more_when_pointed_at() -> None:
    text = bar_rows([Row("a", 2, "two", "just two"), Row("b", 1, "one", whisker=(0.5, 1.5))], title="t", x_label="x")
    first, second = ET.fromstring(text).iter(f"{SVG}rect")
    assert float(first.get("width", "0")) == pytest.approx(2 * float(second.get("width", "0")), abs=0.1)
    assert (first[0].text, second[0].text) == ("just two", "b: one")
    assert text.count('class="whisker"') == 1


def test_long_names_leave_room_for_the_bars() -> None:
    long = "a_label_that_says_all_there_is_to_say_about_a_sound"
    text = bar_rows([Row(long, 1, "1.00 · 75"), Row("b", 1, "1")], title="t", x_label="x", columns=2, x_end=1)
    bars = list(ET.fromstring(text).iter(f"{SVG}rect"))
    assert all(float(bar.get("width", "0")) >= 100 for bar in bars)
    (name,) = re.findall(r">(a_label[^<]*)</text>", text)
    assert name.endswith("…")
    assert f"{long}: 1.00 · 75" in text


def test_long_names_of_a_heat_map_stay_inside_of_it() -> None:
    names = ["a_label_that_says_all_there_is_to_say_about_a_sound_and_more", "b"]
    text = heat_map([[0, 1], [1, 0]], names, title="t", row_label="r", column_label="c", tips=[["", "x"], ["y", ""]])
    shown = re.findall(r'<text class="label small" x="([\d.]+)"[^>]*>([^<]+)</text>', text)
    assert [float(x) - 5 * len(name) > 0 for x, name in shown] == [True, True]


def test_captions_keep_to_their_own_picture_and_say_all_when_pointed_at() -> None:
    config = FrontendConfig(n_mels=64)
    values = np.random.default_rng(0).random((64, 50)).astype(np.float32)
    captions = ["Accelerating_and_revving_and_vroom", *["averaged with the next"] * 5]
    heading = "Accelerating_and_revving_and_vroom, Marimba_and_xylophone: 0123abcd.wav"
    row = [Picture(values, caption) for caption in captions]
    text = picture_rows([row, row], config, title="t", headings=[heading, heading])
    root = ET.fromstring(text)
    panels = sorted({float(image.get("x", "0")) for image in root.iter(f"{SVG}image")})
    width = panels[1] - panels[0]
    lines = [line for line in root.iter(f"{SVG}text") if (line.text or "")[:4] in ("Acce", "aver", "with", "next")]
    assert [line.text for line in lines].count(heading) == 2
    lines = [line for line in lines if line.text != heading]
    assert all(6.5 * len(line.text or "") < width for line in lines)
    assert {float(line.get("x", "0")) for line in lines} == set(panels)
    assert all(float(line.get("y", "0")) > 10 for line in lines)
    assert [image[0].text for image in root.iter(f"{SVG}image")] == captions * 2


def test_a_heat_map_has_a_cell_for_each_pair_that_is_not_nothing() -> None:
    text = heat_map(
        [[0, 0.5], [1, 0]], ["a", "b"], title="t", row_label="r", column_label="c", tips=[["", "half"], ["all", ""]]
    )
    cells = [cell for cell in ET.fromstring(text).iter(f"{SVG}rect") if "cell" in cell.get("class", "")]
    assert [cell[0].text for cell in cells] == ["half", "all"]
    opacities = [float(cell.get("fill-opacity", "0")) for cell in cells]
    assert opacities[0] < opacities[1] == 1


def test_low_bands_lie_below_and_loud_ones_are_lighter() -> None:
    values = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 2.0]], np.float32)
    encoded = png_address(values, 0, 1).removeprefix("data:image/png;base64,")
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("L"))
    assert image.shape == (2, 3)
    assert (image[0] > image[1]).all()
    assert image[0, 2] == image[0, 0]  # beyond the end is the end


def test_a_picture_has_its_length_in_seconds_and_its_bands_in_hertz() -> None:
    config = FrontendConfig(n_mels=64)
    frames = round(3 * config.sample_rate_hz / config.hop_samples)
    picture = Picture(np.random.default_rng(0).random((64, frames)).astype(np.float32), "noise <b>")
    text = picture_rows([[picture, picture]], config, title="t")
    texts = re.findall(r">([^<>]+)</text>", text)
    assert {"0", "1", "2", "s", "Hz", "1,000", "8,000", "noise &lt;b&gt;"} <= set(texts)
    places = {label: float(y) for y, label in re.findall(r'y="([\d.]+)" text-anchor="end">([\d,]+)</text>', text)}
    assert places["8,000"] < places["2,000"] < places["1,000"]
