"""The benchmark of tables: its own arithmetic, and that the recorded results are those of the pages."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import tables
from tests.conftest import ROOT, needs_data

RESULTS = Path(__file__).parent / "results"


def test_means_and_their_table() -> None:
    runs = [{"netc": {"AUC": 0.8, "seconds": 2.0}}, {"netc": {"AUC": 0.9, "seconds": 4.0}}]
    assert tables.mean(runs) == {"netc": {"AUC": pytest.approx(0.85), "seconds": 3.0}}
    lines = tables.markdown({"wine": runs}).splitlines()
    assert lines == ["| wine, 2 seeds | AUC | seconds |", "|---|---|---|", "| netc | 0.850 | 3.0 |"]


def test_the_recorded_results_are_in_the_page() -> None:
    results = json.loads((RESULTS / "tables.json").read_text())
    assert (RESULTS / "tables.md").read_text() == tables.markdown(results)
    page = (ROOT / "netc" / "docs" / "tables.md").read_text()
    for name, runs in results.items():
        (row,) = re.findall(rf"^\| {name} \|.*$", page, re.MULTILINE)
        figures = {tables._figure(metric, value) for scores in tables.mean(runs).values() for metric, value in scores.items()}
        shown = re.findall(r"[\d.,]*\d", row.split("|", 3)[3])
        assert set(shown) <= figures and len(shown) >= 3, row


@needs_data("tables")
def test_a_split_has_the_classes_in_equal_proportions() -> None:
    rows = tables.read("german", 0)
    shares = [rows.label[rows.of(part)].mean() for part in tables.PARTS]
    assert np.ptp(shares) < 0.01 and sum(len(rows.of(part)) for part in tables.PARTS) == 1000


@pytest.mark.parametrize(("kind", "metric", "best"), [("classes", "AUC", 1), ("count", "deviance", 0), ("number", "R2", 1)])
def test_the_metrics_of_right_predictions(kind: str, metric: str, best: float) -> None:
    wanted = np.array([0.0, 1.0, 1.0, 0.0]) + (kind != "classes")
    assert tables.scored(kind, wanted, wanted)[metric] == pytest.approx(best, abs=1e-6)
