"""Columns that alone tell the label."""

from pathlib import Path

import numpy as np
import pytest

from netc.table.leaks import Score, leaks, scores, strong
from netc.table.profile import profile
from tests.table.tables import Cells, raw_table

R = np.random.default_rng(7)
N = 1000


def measured(folder: Path, columns: dict[str, Cells], classes: bool = True) -> list[Score]:
    raw = raw_table(folder, columns)
    found = profile(raw)
    return scores(raw, found.pop("y"), classes, [*found.values()])


def test_a_score_is_the_auc_or_r2_of_rows_that_the_rule_has_not_seen(tmp_path: Path) -> None:
    x, noise = R.normal(size=(2, N))
    y = x + R.normal(size=N) > 0
    shown = ["a" if (v > 0) == (R.random() < 0.8) else "b" for v in y - 0.5]
    names = [f"n{k}" for k in range(N)]
    columns: dict[str, Cells] = {
        "x": x.round(4).tolist(),
        "noise": noise.round(4).tolist(),
        "text": shown,
        "name": names,
        "y": [*map(int, y)],
    }
    found = {score.column: score.value for score in measured(tmp_path, columns)}
    from sklearn.metrics import roc_auc_score

    assert found["x"] == pytest.approx(roc_auc_score(y, x), abs=0.02)
    assert found["text"] == pytest.approx(0.8, abs=0.04)
    assert abs(found["noise"] - 0.5) < 0.05 and found["name"] == 0.5
    number = {
        score.column: score for score in measured(tmp_path, {"x": x.round(4).tolist(), "y": (2 * x + noise).round(4).tolist()}, False)
    }
    assert number["x"].value == pytest.approx(0.77, abs=0.04) and str(number["x"]).startswith("R2 0.")


def test_a_gap_can_tell_the_label(tmp_path: Path) -> None:
    y = R.random(N) < 0.4
    reason = [R.choice(["price", "moved"]) if v else "" for v in y]
    found = measured(tmp_path, {"reason": reason, "age": R.integers(18, 80, N).tolist(), "y": y.tolist()})
    assert (found[0].column, found[0].value) == ("reason", 1.0) and leaks(found, {"reason"}) == found[:1]


def scored(*values: float, measure: str = "AUC") -> list[Score]:
    return [Score(f"c{k}", value, measure) for k, value in enumerate(values)]


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (scored(0.97, 0.76, 0.6, 0.55), 1),
        (scored(0.99, 0.985, 0.8, 0.7, 0.6, 0.6), 2),
        (scored(0.98, 0.98, 0.77, 0.67), 0),  # iris: an easy problem
        (scored(0.96, 0.96, 0.95, 0.95, 0.9, 0.9), 0),
        (scored(0.94, 0.6, 0.6), 0),
        (scored(0.998, 0.51, 0.5), 0),  # all that there is to learn from
        (scored(0.99, 0.6), 0),
        (scored(0.99, 0.5, 0.1, measure="R2"), 1),
        (scored(0.97), 0),
        ([], 0),
    ],
)  # fmt: skip
def test_a_leak_stands_apart_from_the_other_columns(found: list[Score], count: int) -> None:
    assert leaks(found) == found[:count]


def test_a_copy_of_the_label_is_a_leak_whatever_the_others_are() -> None:
    found = scored(1.0, 0.5)
    assert leaks(found) == [] and leaks(found, {"c0"}) == found[:1]
    assert leaks(scored(1.0), {"c0"}) == [], "without it there would be no column"


def test_strong_columns() -> None:
    assert strong(scored(0.97, 0.94)) == scored(0.97)
