"""Permutation importance, partial dependence and contributions of a known function."""

from collections.abc import Mapping

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.graph.tensor_type import STRING
from netc.predict.explain.contributions import contributions
from netc.predict.explain.dependence import MOST_POINTS, MOST_VALUES, dependence
from netc.predict.explain.importance import importances
from netc.predict.raw.columns import MISSING, InputColumn

ROWS = 500
RANDOM = np.random.default_rng(0)
VALUES = {
    "a": RANDOM.normal(size=ROWS).astype(np.float32), "b": RANDOM.normal(size=ROWS).astype(np.float32),
    "noise": RANDOM.normal(size=ROWS).astype(np.float32), "town": RANDOM.choice(["x", "y", "z"], ROWS).astype(object),
}  # fmt: skip
COLUMNS = {n: InputColumn(n, v.dtype if n != "town" else STRING, pb.ColumnParameter(name=n)) for n, v in VALUES.items()}


def scores(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """3 a + b + 1 for town z; a gap counts as 1. The second score is the negative of the first."""
    a, b = (np.nan_to_num(values[n], nan=1).astype(float) for n in ("a", "b"))
    total = 3 * a + b + (values["town"] == "z")
    return np.stack([total, -total], axis=1)


TARGET = scores(VALUES)[:, 0]


def loss(values: Mapping[str, np.ndarray]) -> float:
    return float(((scores(values)[:, 0] - TARGET) ** 2).mean())


def test_columns_are_in_the_order_of_what_they_do() -> None:
    """The squared error grows by twice the variance of what is exchanged."""
    found = importances(VALUES, loss, [(n,) for n in VALUES], repeats=20, seed=0)
    assert [i.columns for i in found] == [("a",), ("b",), ("town",), ("noise",)]
    np.testing.assert_allclose([i.mean for i in found], [18 * VALUES["a"].var(), 2 * VALUES["b"].var(), 4 / 9, 0], rtol=0.15)
    assert found[0].deviation > 0 and found[3].mean == found[3].deviation == 0
    assert found == importances(VALUES, loss, [(n,) for n in VALUES], repeats=20, seed=0)
    assert found != importances(VALUES, loss, [(n,) for n in VALUES], repeats=20, seed=1)


def test_columns_that_are_exchanged_together_stay_together() -> None:
    """b is a copy of a, and the function is a - b: exchanged together, nothing changes."""
    copied = {**VALUES, "b": VALUES["a"]}
    difference = lambda values: float((values["a"] - values["b"]).var())  # noqa: E731
    both, alone = importances(copied, difference, [("a",), ("a", "b")], repeats=3, seed=0)[::-1]
    assert both.columns == ("a", "b") and both.mean == 0 and alone.mean > 1


def test_partial_dependence_on_a_number_is_its_line() -> None:
    sample = np.arange(100)
    found = dependence(COLUMNS["a"], VALUES, sample, scores)
    assert found and found.kind == "number" and MOST_POINTS <= len(found.points) <= 1.5 * MOST_POINTS
    rest = scores({n: v[:100] for n, v in {**VALUES, "a": 0 * VALUES["a"]}.items()}).mean(0)
    np.testing.assert_allclose(found.means, 3 * np.outer(found.points, [1, -1]) + rest, atol=1e-5)
    np.testing.assert_allclose(found.missing, rest + [3, -3], atol=1e-5)
    assert min(found.points) == VALUES["a"].min() and max(found.points) == VALUES["a"].max()


def test_partial_dependence_on_a_category() -> None:
    found = dependence(COLUMNS["town"], VALUES, np.arange(ROWS), scores)
    assert found and found.kind == "category" and sorted(found.points) == ["x", "y", "z"] and sum(found.counts) == ROWS
    means = dict(zip(found.points, found.means[:, 0], strict=True))
    assert means["z"] - means["x"] == pytest.approx(1) and means["x"] == pytest.approx(means["y"]) == pytest.approx(found.missing[0])
    assert list(found.counts) == sorted(found.counts, reverse=True)
    many = np.array([f"v{k % 40}" for k in range(ROWS)], object)
    rare = dependence(COLUMNS["town"], {**VALUES, "town": many}, np.arange(9), scores)
    assert rare and len(rare.points) == MOST_VALUES and rare.others == 40 - MOST_VALUES


def test_partial_dependence_on_a_date_skips_gaps() -> None:
    days = np.array([0, 86400, MISSING, 172800] * 10, np.int64)
    date = InputColumn("d", np.dtype(np.int64), pb.ColumnParameter(name="d"))
    found = dependence(date, {"d": days}, np.arange(4), lambda v: v["d"][:, None].astype(float))
    assert found and found.kind == "date" and found.points == (0, 86400, 172800) and found.missing[0] == float(MISSING)


@pytest.mark.parametrize("cells", [np.full(9, np.nan, np.float32), np.ones(9, np.float32)])
def test_a_column_without_two_values_has_no_curve(cells: np.ndarray) -> None:
    assert dependence(COLUMNS["a"], {"a": cells}, np.arange(3), lambda v: v["a"][:, None]) is None


def test_contributions_of_a_row() -> None:
    values = {"a": np.array([2, np.nan], np.float32), "b": np.array([0.1, 5], np.float32), "noise": np.zeros(2, np.float32),
              "town": np.array(["z", ""], object)}  # fmt: skip
    first, second = contributions(list(COLUMNS.values()), values, [0, 1], [7, 9], scores)
    assert (first.row, first.values, second.values) == (7, ("2", "0.1", "0", "z"), ("", "5", "0", ""))
    np.testing.assert_allclose(first.parts[:, 0], [3, -0.9, 0, 1], atol=1e-6)
    np.testing.assert_allclose(second.parts[:, 1], [0, -4, 0, 0], atol=1e-6)
    np.testing.assert_allclose(first.scores, [7.1, -7.1], atol=1e-6)
