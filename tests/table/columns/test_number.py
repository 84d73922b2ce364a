"""Columns of numbers."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc.data.fitted import from_json
from netc.table.columns.define import Values
from netc.table.columns.number import Number
from netc.table.encoded import encoded
from tests.table.mixed import column, read

LARGEST = 1e6


def rows(fitted: Number, *values: float) -> np.ndarray:
    return encoded([fitted], {"x": np.array(values)})


def number(*cells: float) -> Number:
    found = column("x", "number", np.array(cells, np.float64))
    assert isinstance(found, Number)
    return found


def test_the_formula() -> None:
    fitted = number(1, 2, 3, 4, 5, np.nan)
    assert (fitted.middle, fitted.spread, fitted.gaps, fitted.slots, fitted.low, fitted.high) == (3, 2, True, 2, 1, 5)
    z = np.array([0, 1, -1, 0])
    np.testing.assert_allclose(rows(fitted, 3, 5, 1, np.nan), np.stack([z / np.sqrt(1 + (z / 3) ** 2), [0, 0, 0, 1]], 1), rtol=1e-6)


def test_without_gaps_in_training_a_gap_is_the_median() -> None:
    fitted = number(1, 2, 3, 4, 5)
    assert fitted.slots == 1
    np.testing.assert_array_equal(rows(fitted, np.nan, 3), [[0], [0]])


@pytest.mark.parametrize("cells", [
    (0.0, np.inf), (-np.inf, 0.0, 1.0, np.inf), (1e300, -1e300, 0.0), (1e-310, 2e-310, 3e-310), (3e38, -3e38, 1.0), (1.7e308, -1.7e308),
    (5.0,), (5.0, 5.0, 5.0), (np.nan, np.nan), (), (np.inf, np.inf), (0.0,) * 9 + (1e38,), (1e-40, 2e-40, 3e-40),
])  # fmt: skip
def test_extreme_training_rows(cells: tuple[float, ...]) -> None:
    fitted = number(*cells)
    odd = [*map(float, fitted.odd), *cells]
    found = rows(fitted, *odd)
    assert np.isfinite(found).all() and np.abs(found).max() <= 3
    assert all(np.isfinite(v) for value in asdict(fitted).values() for v in np.ravel(value) if not isinstance(value, str))
    assert (np.diff(rows(fitted, *sorted(v for v in odd if v == v))[:, 0]) >= 0).all()  # the order stays


@pytest.mark.parametrize("cells, double", [
    ((16_777_216.0, 16_777_217.0), True), ((16_777_216.0, 16_777_218.0), False), ((0.1, 0.2, 0.3), False),
    ((1.6e9 + 0.25, 1.6e9 + 0.5, 1.6e9 + 0.75), True), (tuple(np.linspace(0, 1, 5000)), False), ((1e39, 2e39), True),
    ((7.25, 8.05, 211.3375, 512.3292), False),
])  # fmt: skip
def test_float64_where_float32_would_merge_values(cells: tuple[float, ...], double: bool) -> None:
    fitted = number(*cells)
    assert fitted.dtype == ("float64" if double else "float32")
    assert len(np.unique(rows(fitted, *cells))) == len(cells)


def test_pieces_lie_between_quantiles() -> None:
    rng = np.random.default_rng(0)
    fitted = number(*np.round(rng.exponential(size=500), 2))
    for pieces in (1, 4, 16, 32):
        edges = fitted.edges(pieces)
        assert 2 <= len(edges) <= 2 * pieces + 2 and (np.diff(edges) > 0).all()
        np.testing.assert_allclose(edges[[0, -1]], rows(fitted, fitted.low, fitted.high)[:, 0], rtol=1e-6)
    assert len(fitted.edges(0)) == 0


def test_values_and_their_counts_are_as_good_as_rows() -> None:
    cells = np.random.default_rng(0).integers(0, 9, 1000) * 0.5
    fitted = number(*cells)
    np.testing.assert_allclose([fitted.middle, fitted.spread], [np.median(cells), np.subtract(*np.quantile(cells, [0.75, 0.25]))])
    shuffled = Number.fit(pb.ColumnParameter(name="x"), Values.of(np.random.default_rng(1).permutation(cells)))
    assert shuffled == fitted


def test_as_json() -> None:
    for fitted in (number(1, 2, np.nan), number(1e300, -1e300), number()):
        assert from_json(fitted.as_json()) == fitted


def test_cells(tmp_path: Path) -> None:
    assert read(tmp_path, "number", ["1", "-2.5", "", "NA", "1e3", "many", "2 or 3"]) == ([1, -2.5, None, None, 1000, None, None], 2)
