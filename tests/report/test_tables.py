"""The sections of nets on tables: figures that the test has too, simple models beside the net, and words of warning."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.report import comparison
from netc.report.sections.forecasts import persistence, seasonal_mean
from netc.report.table_rows import Compared

NAN = np.nan


def section(page: str, title: str) -> str:
    return page.partition(f"<h2>{title}</h2>")[2].partition("<h2>")[0]


def cells(page: str, title: str, row: str) -> list[float]:
    """The numbers of a row of the first table of a section."""
    found = section(page, title).partition(f"<tr><td>{row}</td>")[2].partition("</tr>")[0]
    return [float(cell.partition("</td>")[0].replace(",", "")) for cell in found.split("<td>")[1:]]


def log(runs: Path, name: str) -> dict[str, Any]:
    lines = (runs / name / "log.jsonl").read_text().splitlines()
    last: dict[str, Any] = json.loads(lines[-1])
    return last


def test_scores_of_classes_are_those_of_the_test(runs: Path) -> None:
    page, line = (runs / "people/1/report.html").read_text(), log(runs, "people/1")
    accuracy, loss = cells(page, "Beside simple models", "accuracy"), cells(page, "Beside simple models", "log-loss")
    assert accuracy[0] == pytest.approx(line["accuracy"], abs=1e-4) and loss[0] == pytest.approx(line["loss"], abs=1e-4)
    assert loss[1] < loss[2] and accuracy[1] > accuracy[2]  # age tells the class, so a linear fit is better than the majority
    assert "age 4" in section(page, "Worst mistakes") and "since 2020-01-" in section(page, "Worst mistakes")


def test_scores_of_numbers_are_those_of_the_test(runs: Path) -> None:
    page, line = (runs / "prices/1/report.html").read_text(), log(runs, "prices/1")
    assert cells(page, "Beside simple models", "R2")[0] == pytest.approx(line["r2"], abs=1e-4)
    assert "<b>The net is no better than" in page and "people.csv:" in section(page, "Errors")


def test_forecasts_stand_beside_simple_ones(runs: Path) -> None:
    page = (runs / "days/1/report.html").read_text()
    net, last, seasonal = cells(page, "Beside simple forecasts", "x")
    assert net < last and seasonal < last


def test_a_gap_is_the_value_before_it() -> None:
    past = np.array([[[1.0, NAN], [2, NAN], [NAN, NAN], [4, 7], [NAN, NAN]]])
    assert persistence(past, 2).tolist() == [[[4, 7], [4, 7]]]
    made = seasonal_mean(past, 3, 2)
    assert made is not None and made[0, :, 0].tolist() == [3.0, 1.0, 3.0]  # rows 1 and 3, then 0, 2 and 4, then 1 and 3 again
    assert seasonal_mean(past, 3, 6) is None


def compared(labels: list[int], net: list[float], linear: list[float]) -> Compared:
    def pairs(p: list[float]) -> np.ndarray:
        return np.stack([1 - np.array(p), np.array(p)], 1)

    rows = len(labels)
    share = float(np.mean(labels))
    return Compared(np.array(labels), pairs(net), pairs(linear), pairs([share] * rows), np.arange(rows), ("no", "yes"), None, True)  # type: ignore[arg-type]  # no source is asked


@pytest.mark.parametrize(
    ("net", "linear", "wanted"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0.2, 0.2, 0.8, 0.8], "The net predicts one class only, 'no', for all 4 test rows."),
        ([0.9, 0.9, 0.1, 0.1], [0.2, 0.2, 0.8, 0.8], "no better than predicting the shares of the classes"),
        ([0.3, 0.3, 0.7, 0.7], [0.1, 0.1, 0.9, 0.9], "A linear fit on the same rows is better"),
        ([0.1, 0.1, 0.9, 0.9], [0.1, 0.1, 0.9, 0.9], "about as good as a linear fit"),
    ],
)
def test_what_a_user_should_worry_about(net: list[float], linear: list[float], wanted: str) -> None:
    assert any(wanted in remark for remark in comparison.remarks(compared([0, 0, 1, 1], net, linear)))


def test_a_good_net_gives_no_cause_for_worry() -> None:
    assert list(comparison.remarks(compared([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9], [0.4, 0.4, 0.6, 0.6]))) == []
