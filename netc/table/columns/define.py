"""What a column type defines."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from netc import netc_pb2 as pb
from netc.data.fitted import FittedColumn
from netc.graph.ir import Value
from netc.table.reading import RawColumn, ReadingOptions

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
class ColumnType(FittedColumn):
    """A type of column. The fields of a subclass are the values that `fit` finds in the training rows."""

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        """Return how the cells of a column are read."""
        raise NotImplementedError

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, values: np.ndarray) -> Self:
        """Return the column as fitted on the training rows: float64 with NaN, int64, or texts with "" for a missing cell."""
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
