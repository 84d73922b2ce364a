"""Raw values from Python for a model of raw columns."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from netc import Model
from netc import netc_pb2 as pb
from netc.errors import DataError
from netc.graph.tensor_type import STRING
from netc.predict.raw.columns import MISSING, InputColumn
from netc.predict.raw.values import Given, raw_values
from tests.small_tables import people, write_table

NUMBER, TEXT, DATE = (
    InputColumn(name, np.dtype(kind), pb.ColumnParameter(name=name)) for name, kind in (("n", np.float32), ("t", STRING), ("d", np.int64))
)
SECONDS = 1_709_217_000  # 2024-02-29 14:30


def read(column: InputColumn, values: object) -> list[object]:
    found: list[object] = raw_values([column], {column.name: values})[column.name].tolist()
    return found


def test_numbers() -> None:
    found = read(NUMBER, [1, "2.5", None, np.nan, True, np.float64(1e300), "", " 7 "])
    np.testing.assert_array_equal(np.array(found, float), [1, 2.5, np.nan, np.nan, 1, np.inf, np.nan, 7])
    assert read(NUMBER, np.arange(3)) == [0, 1, 2] and read(NUMBER, 5) == [5] and read(NUMBER, np.array(["3", "4"])) == [3, 4]


def test_texts_are_those_of_tables() -> None:
    values = ["a ", None, float("nan"), 3.0, 3, 2.5, True, np.bool_(False), np.str_("b"), b"c", datetime(2024, 2, 29, 14, 30)]
    assert read(TEXT, values) == ["a", "", "", "3", "3", "2.5", "true", "false", "b", "c", "2024-02-29 14:30:00"]
    assert read(TEXT, np.array(["x", "yy"])) == ["x", "yy"] and read(TEXT, "alone") == ["alone"]


def test_dates() -> None:
    given = [
        "2024-02-29 14:30",
        datetime(2024, 2, 29, 14, 30),
        datetime(2024, 2, 29, 14, 30, tzinfo=UTC),
        np.datetime64("2024-02-29T14:30"),
    ]
    assert read(DATE, given) == [SECONDS] * 4
    assert read(DATE, [date(1969, 12, 31), None, np.datetime64("NaT", "s"), SECONDS]) == [-86400, MISSING, MISSING, SECONDS]
    assert read(DATE, np.array(["2024-02-29T14:30", "NaT"], "datetime64[ns]")) == [SECONDS, MISSING]


def test_what_cannot_be_read_is_said_for_each_column() -> None:
    with pytest.raises(DataError) as caught:
        raw_values([NUMBER, TEXT, DATE], {"n": ["1", "one", "two", "3", "x", "y"], "t": list("abcdef"), "d": ["soon", *[None] * 5]})
    first, second = caught.value.diagnostics
    assert first.text == "Column 'n': 4 of 6 values cannot be read, in rows 1, 2, 4, ...: 'one', 'two', 'x'. Expected a number."
    assert second.text == "Column 'd': 1 of 6 values cannot be read, in rows 0: 'soon'. Expected a date."
    with pytest.raises(DataError, match="There is no column 't', which the model reads"):
        raw_values([NUMBER, TEXT], {"n": [1], "T": ["a"]})
    with pytest.raises(DataError, match="The columns have different lengths: 'n' 1, 't' 2"):
        raw_values([NUMBER, TEXT], {"n": [1], "t": ["a", "b"]})


def test_columns_rows_and_tables_give_the_same(model: Path, tmp_path: Path) -> None:
    cells = people(40, seed=2)
    opened = Model(model)
    path = write_table(tmp_path / "new.csv", cells)
    expected = np.array([p.outputs["prob"] for p in opened.predict(str(path))])
    columns = {n: [None if not c else float(c) if n in ("age", "wage") else c for c in cells[n]] for n in reversed(cells)}
    rows = [{n: c[k] for n, c in columns.items() if c[k] is not None} for k in range(40)]
    np.testing.assert_array_equal(opened(columns)["prob"], expected)
    np.testing.assert_array_equal(opened(rows)["prob"], expected)
    np.testing.assert_array_equal(opened({n: np.array(c) for n, c in cells.items()})["prob"], expected)
    np.testing.assert_array_equal(opened(rows[5:6])["prob"], expected[5:6])
    assert [p.best for p in opened.predict(rows)] == [p.best for p in opened.predict([str(path)])]
    assert opened.predict({"age": 30, "town": "Rome", "wage": 1.5, "Sex": "f"})[0].best[0][0] == "no"
    assert opened([])["prob"].shape == (0, 2)


class Frame:
    """What data frames have in common."""

    columns = ("t", "n")

    def __getitem__(self, name: str) -> list[Any]:
        cells: dict[str, list[Any]] = {"t": ["a", None], "n": [1, 2.5]}
        return cells[name]


def test_data_frames() -> None:
    found = raw_values([NUMBER, TEXT], cast(Given, Frame()))
    assert {n: a.tolist() for n, a in found.items()} == {"n": [1, 2.5], "t": ["a", ""]}


@pytest.mark.parametrize("given", [np.zeros((2, 2)), [[1, "a"]], "x.csv"])
def test_values_without_names_are_refused(given: object) -> None:
    with pytest.raises(DataError, match="The model reads columns by name"):
        raw_values([NUMBER, TEXT], cast(Given, given))
