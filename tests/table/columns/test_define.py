"""What a column type defines, and a column type of a plug-in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from netc import netc_pb2 as pb
from netc import registry
from netc.data.fitted import from_json
from netc.graph.ir import Value, op
from netc.registry import column_type
from netc.table.columns.block import block, end_to_end
from netc.table.columns.define import Cells, ColumnType, Values, Weight, groups
from netc.table.encoded import encoded
from netc.table.reading import RawColumn, ReadingOptions, number_sql
from tests.layers.test_table import run, start, vectors
from tests.table.mixed import KINDS, column, fitted, raw_rows


@pytest.fixture
def logarithm() -> Iterator[None]:
    """A column type of a plug-in, registered while a test runs."""

    @column_type("logarithm")
    @dataclass(frozen=True)
    class Logarithm(ColumnType):
        most: float

        @property
        def dtype(self) -> str:
            return "float32"

        @property
        def slots(self) -> int:
            return 1

        @classmethod
        def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
            return Cells(number_sql(column, dialect))

        @classmethod
        def fit(cls, rule: pb.ColumnParameter, seen: Values) -> "Logarithm":
            return cls(rule.name, float(seen.values.max()))

        @classmethod
        def preprocess(cls, columns: Sequence["Logarithm"], inputs: Sequence[Value]) -> Value:
            return op.Log(block(end_to_end(inputs), len(inputs), inputs[0].shape[0]))

        @classmethod
        def encode(cls, columns: Sequence["Logarithm"], part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
            return [part * weight((1, len(columns)))]

        @property
        def about(self) -> Mapping[str, Any]:
            return {"example": 1.0, "values": f"up to {self.most:g}", "gaps": False}

        @property
        def odd(self) -> Sequence[float]:
            return [1.0]

    yield
    del registry.column_type["logarithm"]


def test_a_column_type_of_a_plug_in(logarithm: None) -> None:
    raw = {"a": np.array([1.0, 2, 4]), "c": np.array(["x", "y", "x"], object), "b": np.array([8.0, 2, 1])}
    columns = [column("a", "logarithm", raw["a"]), column("c", "category", raw["c"], min_count=1), column("b", "logarithm", raw["b"])]
    rows = encoded(columns, raw)
    np.testing.assert_allclose(rows[:, :2], np.log(np.stack([raw["a"], raw["b"]], 1)), rtol=1e-6)
    _, y, weights = vectors(columns, "N")
    values = start(weights)
    assert list(weights) == ["logarithm"]
    np.testing.assert_allclose(run(y, rows, values)["y"][:, :2], rows[:, :2] * values["logarithm"], rtol=1e-6)
    assert from_json(columns[0].as_json()) == columns[0]


def test_a_column_type_has_no_defaults() -> None:
    with pytest.raises(NotImplementedError):
        ColumnType("x").odd  # noqa: B018


def test_every_type_is_in_the_mixed_table() -> None:
    assert set(KINDS.values()) == registry.column_type.keys()


def test_columns_of_a_type_and_a_dtype_are_together() -> None:
    columns = fitted(raw_rows(50))
    names = [[columns[k].name for k in group] for group in groups(columns)]
    assert names == [["age", "fare"], ["sex", "town", "port"], ["number"], ["when"], ["paid"], ["said"]]


def test_values() -> None:
    seen = Values.of(np.array(["b", "", "a", "b"], object))
    assert (seen.values.tolist(), seen.counts.tolist(), seen.missing) == (["a", "b"], [1, 2], 1)
    assert Values.of(np.array([2.0, np.nan, 1, 2])).rows.tolist() == [1, 2, 2]
