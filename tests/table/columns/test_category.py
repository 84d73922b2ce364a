"""Columns of categories."""

import time
from pathlib import Path

import numpy as np
import pytest

from netc.data.fitted import from_json
from netc.table.columns.category import Category
from netc.table.encoded import encoded
from netc.table.reading import open_table
from tests.table.mixed import column, read


def category(cells: list[str] | np.ndarray, **fields: int) -> Category:
    found = column("c", "category", np.array(cells, object), **fields)
    assert isinstance(found, Category)
    return found


def codes(fitted: Category, *values: str) -> list[float]:
    found: list[float] = encoded([fitted], {"c": np.array(values, object)})[:, 0].tolist()
    return found


def test_codes() -> None:
    fitted = category(["b"] * 3 + ["a"] * 4 + ["rare"] * 2 + [""] * 2)
    assert (fitted.values, fitted.counts, fitted.rare, fitted.missing, fitted.own) == (("a", "b"), (4, 3), 2, 2, True)
    assert codes(fitted, "a", "b", "rare", "", "unseen", "A", " a") == [1, 2, 0, 0, 0, 0, 0]


def test_the_most_frequent_values() -> None:
    fitted = category(["a"] * 3 + ["b"] * 5 + ["c"] * 3 + ["d"] * 4, most_values=3)
    assert fitted.values == ("a", "b", "d") and fitted.rare == 3  # a and c are equally frequent
    assert category(["a", "b"], min_count=1).values == ("a", "b")
    assert not category(["a"] * 9 + ["b"] * 2).own and category(["a"] * 9 + ["b"] * 3 + [""] * 3).own


@pytest.mark.parametrize("cells", [[], [""] * 5, ["a"], ["a"] * 5])
def test_constant_and_empty_columns(cells: list[str]) -> None:
    fitted = category(cells)
    assert set(codes(fitted, "a", "", "x")) <= {0, 1}
    assert from_json(fitted.as_json()) == fitted and isinstance(fitted.about["values"], str)


def test_several_columns_do_not_mix() -> None:
    first, second = category(["1:x"] * 3 + ["y"] * 3), Category("d", ("x", "y"), (3, 3), 0, 0, False)
    third = [Category(f"e{k}", ("x",), (3,), 0, 0, False) for k in range(10)]
    raw = {"c": ["1:x", "y", "x"], "d": ["x", "y", "1:x"], **{c.name: ["x", "1:x", ""] for c in third}}
    found = encoded([first, second, *third], {name: np.array(cells, object) for name, cells in raw.items()})
    np.testing.assert_array_equal(found[:, :2], [[1, 1], [2, 2], [0, 0]])
    np.testing.assert_array_equal(found[:, 2:], np.repeat([[1], [0], [0]], 10, axis=1))


def test_a_number_is_the_same_however_it_is_stored(tmp_path: Path) -> None:
    import duckdb

    cells = ["3", "3.0", "2.50", "007", "-4.", "3.0.1", "x", ""]
    found, wrong = read(tmp_path, "category", cells)
    assert (found, wrong) == (["3", "3", "2.50", "007", "-4", "3.0.1", "x", None], 0)
    duckdb.sql(f"copy (select * from (values (3::{{}}), (-4), (null)) as t(x)) to '{tmp_path}/t.parquet'".format("DOUBLE"))
    duckdb.sql(f"copy (select * from (values (3::{{}}), (-4), (null)) as t(x)) to '{tmp_path}/i.parquet'".format("INTEGER"))
    for name in ("t.parquet", "i.parquet"):
        with open_table(name, tmp_path) as raw:
            from netc import netc_pb2 as pb

            value = Category.cells(pb.ColumnParameter(name="x"), raw.columns[0], raw.dialect).value
            assert raw.query(f"select {value} from cells order by rowid") == [("3",), ("-4",), (None,)]
    fitted = category(["3"] * 3 + ["-4"] * 3 + ["x"] * 3)
    assert codes(fitted, "3", "3.0", "-4.0", "x.0") == [2, 2, 1, 0]


def test_a_million_values() -> None:
    cells = np.array([f"value {k}" for k in range(1_000_000)] + [f"value {k}" for k in range(30_000)] * 2, object)
    start = time.process_time()
    fitted = category(cells)
    assert len(fitted.values) == 20_000 and fitted.rare == len(cells) - 60_000
    assert codes(fitted, fitted.values[-1], "value 999999") == [20_000, 0]
    assert time.process_time() - start < 20


def test_what_users_read() -> None:
    fitted = category(["b"] * 4 + ["Paris, France"] * 3 + [f"town {k}" for k in range(30)] * 3)
    assert fitted.about["example"] == "b" and not fitted.about["gaps"]
    assert fitted.about["values"].startswith('b, "Paris, France", town 0') and fitted.about["values"].endswith(" and 12 more")
