"""Overviews of tables: distributions, scores, similar columns and warnings, beside NumPy."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from netc.errors import DataError, SpecError
from netc.table import similar as pairs
from netc.table.distribution import Histogram, ValueCounts
from netc.table.overview import Overview, overview
from netc.table.rules import Choice
from tests.table.tables import customers, raw_table

ROWS = 500
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def of(folder: Path, columns: dict[str, list[object]], label: str = "", stated: tuple[Choice, ...] = ()) -> Overview:
    with raw_table(folder, columns) as raw:
        return overview(raw, label, stated, NOW)


def drawn(seen: Overview, name: str) -> object:
    return next(view.distribution for view in seen.columns if view.name == name)


def mixed() -> dict[str, list[object]]:
    random = np.random.default_rng(0)
    x = random.normal(0, 2, ROWS).round(4)
    colour = random.choice(["red", "green", "blue"], ROWS, p=[0.5, 0.3, 0.2])
    y = np.where(x + random.normal(0, 1, ROWS) > 0, "yes", "no")
    return {
        "x": ["" if k % 9 == 0 else v for k, v in enumerate(x.tolist())],
        "colour": colour.tolist(),
        "farbe": [{"red": "rot", "green": "grün", "blue": "blau"}[c] for c in colour],
        "double": (2 * x + 1).tolist(),
        "y": y.tolist(),
    }


def test_histograms_by_class_are_those_of_numpy(tmp_path: Path) -> None:
    cells = mixed()
    seen = of(tmp_path, cells, "y")
    found = drawn(seen, "x")
    assert isinstance(found, Histogram) and found.outside == 0 and 10 <= len(found.counts) <= 31
    known = np.array([v != "" for v in cells["x"]])
    x, y = np.array([float(str(v)) for v in cells["x"] if v != ""]), np.array(cells["y"])[known]
    for g, name in enumerate(seen.groups.names):
        assert [row[g] for row in found.counts] == np.histogram(x[y == name], found.edges)[0].tolist()
    colours = drawn(seen, "colour")
    assert isinstance(colours, ValueCounts) and colours.values[0] == "red"
    both = (np.array(cells["colour"]) == "red") & (np.array(cells["y"]) == seen.groups.names[1])
    assert colours.counts[0][1] == both.sum() and not any(colours.others)


def test_quarters_of_a_number(tmp_path: Path) -> None:
    cells = mixed()
    seen = of(tmp_path, cells, "double")
    assert seen.measure == "R2" and seen.groups.numbers
    cuts = np.quantile(np.array(cells["double"]), (0.25, 0.5, 0.75))
    wanted = np.searchsorted(cuts, np.array(cells["double"]))
    assert seen.groups.codes.tolist() == wanted.tolist()


def test_columns_that_say_nearly_the_same(tmp_path: Path) -> None:
    seen = of(tmp_path, mixed())
    assert [(p.first, p.second, p.measure) for p in seen.pairs] == [("colour", "farbe", pairs.LAMBDA)]  # x has gaps, double has none
    assert not seen.measure and seen.groups.names == ("",)
    x = np.random.default_rng(1).normal(size=ROWS)
    noisy = x + np.random.default_rng(2).normal(0, 0.05, ROWS)
    seen = of(tmp_path, {"a": x.tolist(), "b": (-(noisy**3)).tolist(), "c": noisy[::-1].tolist()})
    ranks = [np.argsort(np.argsort(v)) for v in (x, -(noisy**3))]
    assert [(p.first, p.second) for p in seen.pairs] == [("a", "b")]
    assert seen.pairs[0].value == pytest.approx(np.corrcoef(ranks[0], ranks[1])[0, 1], abs=1e-5)


def test_lambda() -> None:
    a, b = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 1])
    # b from a: 5 of 6 are right, 4 without a: 1 of 2 errors saved. a from b: 2 + 2 of 6, 3 without b: 1 of 3.
    assert pairs.goodman_kruskal(a, b) == pytest.approx(1 / 3)


def test_warnings(tmp_path: Path) -> None:
    cells = customers()
    cells["since"] = ["1900-01-01", "2999-12-31", *list(cells["since"])[2:]]
    rows = {name: [*values, list(values)[-1]] for name, values in cells.items()}
    seen = of(tmp_path, rows, "left")
    text = "\n".join(seen.warnings)
    assert "'since': 1 date is before 1900-01-02" in text and "'since': 1 date is in the future." in text
    assert "1 row is equal to an earlier one." in text
    assert seen.unread["country"] == "constant: always 'FR'" and seen.unread["years"] == "the same as column 'age'"


def test_a_column_that_tells_the_label_is_not_read(tmp_path: Path) -> None:
    cells = mixed() | {"copy": ["1" if y == "yes" else "0" for y in mixed()["y"]]}
    assert of(tmp_path, cells, "y").unread["copy"].startswith("alone tells the label (AUC 1")
    stated = (Choice("copy", "number", "as the net file says"),)
    assert "copy" not in of(tmp_path, cells, "y", stated).unread


def test_a_period_and_its_frequency(tmp_path: Path) -> None:
    days = np.datetime64("2024-01-01") + np.arange(60).astype("timedelta64[D]")
    kept = np.delete(days, [5, 17])
    seen = of(tmp_path, {"day": [str(d) for d in kept], "v": list(range(58))})
    found = next(view.period for view in seen.columns if view.period)
    assert (found.frequency, found.present, found.expected) == ("1d", 58, 60)
    assert found.last - found.first == 59 * 86400


def test_errors_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="There is no column 'colr'. Did you mean 'colour'?"):
        of(tmp_path, mixed(), "colr")
    with pytest.raises(DataError, match="has one value, 'a'"):
        of(tmp_path, {"x": [1, 2, 3], "y": ["a", "a", "a"]}, "y")
