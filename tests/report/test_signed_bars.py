"""Charts of bars that may be negative."""

import re

from netc.report.signed_bars import LONGEST, SPACE, WIDTH, Bar, signed_bars

RECT = re.compile(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="\d+" fill="var\((--\w+)\)"')
AXIS = re.compile(r'<path class="axis" d="M([\d.]+) \d+V\d+"/>')


def test_bars_start_at_zero() -> None:
    text = str(signed_bars("parts", [Bar("a", 2.0, 0.5), Bar("b", -1.0), Bar("<c>", 0.0)], "part"))
    zero = float(AXIS.findall(text)[0])
    (ax, aw, good), (bx, bw, bad), (_, cw, _) = ((float(x), float(w), c) for x, w, c in RECT.findall(text))
    assert abs(ax - zero) < 0.11 and abs(bx + bw - zero) < 0.11 and abs(aw - 2 * bw) < 0.2 and cw == 0.5
    assert (good, bad) == ("--good", "--bad") and "&lt;c&gt;" in text and "<c>" not in text
    assert ">2</text>" in text and ">-1</text>" in text and ax + aw * 2.5 / 2 <= WIDTH - SPACE + 0.2


def test_long_names_are_cut() -> None:
    text = str(signed_bars("long", [Bar("n" * 99, 1.0)], ""))
    assert "n" * (LONGEST - 1) + "…</text>" in text and "n" * 99 + ": 1.0</title>" in text


def test_equal_and_empty_bars() -> None:
    assert len(RECT.findall(str(signed_bars("zero", [Bar("a", 0.0), Bar("b", 0.0)], "")))) == 2
