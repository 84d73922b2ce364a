"""What a column type defines."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np

from netc import netc_pb2 as pb
from netc import registry
from netc.data.fitted import FittedColumn
from netc.graph.ir import Value
from netc.table.reading import RawColumn, ReadingOptions

MISSING_INT = np.iinfo(np.int64).min  # the raw value of a missing cell, in a column of integers

Weight = Callable[[tuple[int, ...]], Value]  # creates a weight of an Encode layer, with a shape


@dataclass(frozen=True)
class Cells:
    """How a table's cells are read, as DuckDB SQL expressions over the columns.

    `value` is DOUBLE, BIGINT or VARCHAR, and NULL for a missing cell. `wrong` is true for a cell that cannot be read, and `wanted` says
    what is expected instead, as a sentence.
    """

    value: str
    wrong: str = "false"
    wanted: str = ""


@dataclass(frozen=True)
class Values:
    """The values of a column in the training rows: each different one once, sorted, without those of missing cells.

    `values` are float64, int64 or texts (an array of str). `counts` are the rows with each, and `missing` the rows without a value.
    """

    values: np.ndarray
    counts: np.ndarray
    missing: int = 0

    @classmethod
    def of(cls, cells: np.ndarray) -> "Values":
        """Return the values of cells: NaN, the least int64 and "" are missing."""
        known = cells != "" if cells.dtype.kind in "OUT" else cells != MISSING_INT if cells.dtype.kind == "i" else ~np.isnan(cells)
        values, counts = np.unique(cells[known], return_counts=True)
        return cls(values, counts, int(len(cells) - counts.sum()))

    @property
    def rows(self) -> np.ndarray:
        """The value of each row that has one, sorted."""
        return np.repeat(self.values, self.counts)


@dataclass(frozen=True)
class ColumnType(FittedColumn):
    """A type of column. The fields of a subclass are the values that `fit` finds in the training rows."""

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        """Return how the cells of a column are read."""
        raise NotImplementedError

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, seen: Values) -> Self:
        """Return the column as fitted on the values of the training rows."""
        raise NotImplementedError

    def preprocess(self, x: Value) -> Value:
        """Return the part of encoded rows, float32 (N, slots), from raw values (N,)."""
        raise NotImplementedError

    def encode(self, part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        """Return the vectors (N, width) that a net reads, from a part of encoded rows (N, slots)."""
        raise NotImplementedError


def column_types(columns: Iterable[FittedColumn]) -> tuple[ColumnType, ...]:
    """Return fitted columns as what they are: instances of column types."""
    found = tuple(column for column in columns if isinstance(column, ColumnType))
    return found


def class_of(rule: pb.ColumnParameter) -> type[ColumnType]:
    """The class of a column's type. SpecError if there is none."""
    found: Any = registry.column_type.find(rule.type)
    return cast(type[ColumnType], found)
