"""Charts: axes, thinning, names that do not lie on each other, colours."""

import re

import numpy as np
import pytest

from netc.report import charts, images
from netc.report.charts import Series, apart, thinned
from netc.report.scales import linear, logarithmic, short


@pytest.mark.parametrize("low, high, ticks", [
    (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    (0.12, 0.93, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    (-13, 42, [-20, 0, 20, 40, 60]),
])  # fmt: skip
def test_linear_ticks_are_round_and_around(low: float, high: float, ticks: list[float]) -> None:
    scale = linear(low, high, 100, 0)
    assert scale.ticks == pytest.approx(ticks) and scale(ticks[0]) == 100 and scale(ticks[-1]) == pytest.approx(0)


def test_a_constant_has_an_axis_too() -> None:
    for value in (0.0, 0.1, -5.0):
        scale = linear(value, value, 100, 0)
        assert scale.ticks[0] < value < scale.ticks[-1] and 0 < scale(value) < 100


def test_logarithmic_ticks_are_decades() -> None:
    scale = logarithmic(3e-7, 0.4, 100, 0)
    assert [short(t) for t in scale.ticks] == ["1e-7", "1e-6", "1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]
    assert scale(1e-7) == 100 and scale(1) == pytest.approx(0) and scale(1e-3) == pytest.approx(100 * 3 / 7)


def test_thinning_keeps_ends_and_peaks() -> None:
    points = [(float(k), 0.0) for k in range(10_000)]
    points[4321] = (4321.0, 9.0)
    found = thinned(points)
    assert len(found) <= 410 and found[0] == points[0] and found[-1] == points[-1] and (4321.0, 9.0) in found
    assert found == sorted(found)


def test_names_are_apart() -> None:
    places = apart([10, 11, 12, 95], 15, 0, 100)
    assert np.diff(places).min() >= 15 and places[-1] <= 100
    assert apart([97, 98, 99], 15, 0, 100) == [70, 85, 100]


def test_what_is_not_a_number_is_left_out_and_zero_of_a_logarithm() -> None:
    series = [Series("a", [0, 1, 2, 3], [1.0, float("nan"), 0.0, 10.0])]
    for log, count in ((False, 3), (True, 2)):
        path = re.search(r'class="line"[^>]* d="M([^"]*)"', charts.lines("x", series, "a", "b", log=log))
        assert path and len(path[1].split("L")) == count
    assert charts.lines("x", [Series("a", [], [])], "a", "b") == ""


def test_names_are_escaped() -> None:
    text = charts.lines("<x>", [Series("<a>", [0, 1], [0, 1]), Series('"b', [0, 1], [0, 1])], "<x>", "<y>")
    assert "<a>" not in text and "<x>" not in text and "&lt;a&gt;" in text and "&#34;b" in text


def test_weights_have_the_colour_of_their_sign() -> None:
    red, white, blue = images.signed(np.array([[[-2.0, 0.0, 2.0]]]))[0, 0].astype(int)
    assert red[0] > red[2] and blue[2] > blue[0] and white.min() > 240


def test_a_grid_has_a_place_for_each() -> None:
    sheet = images.grid(np.stack([np.full((2, 2, 3), k, np.uint8) for k in range(5)]), 3)
    assert sheet.shape == (5, 8, 3) and sheet[0, 3, 0] == 1 and sheet[3, 3, 0] == 4
