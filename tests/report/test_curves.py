"""The picture of a run."""

from typing import Any

import pytest

from netc.report.curves import curves_png

STEPS: list[dict[str, Any]] = [{"event": "train", "iteration": i, "loss": 1 / (i + 1), "lr": 0.1} for i in range(10)]
TESTS: list[dict[str, Any]] = [{"event": "test", "iteration": i, "loss": 1 / (i + 1), "accuracy": i / 10} for i in (0, 5, 10)]


def test_a_picture_of_steps_and_tests() -> None:
    pytest.importorskip("matplotlib", reason="no matplotlib: pip install 'netc[plot]'")
    first = curves_png(STEPS + TESTS)
    assert first and first.startswith(b"\x89PNG") and curves_png(STEPS + TESTS) == first != curves_png(STEPS)


def test_nothing_to_draw() -> None:
    assert curves_png([]) is None and curves_png(TESTS) is None


def test_no_picture_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.report.curves.find_spec", lambda name: None)
    assert curves_png(STEPS) is None
