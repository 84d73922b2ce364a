"""What a column type defines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

import numpy as np

from netc import netc_pb2 as pb
from netc import registry
from netc.data.fitted import FittedColumn
from netc.errors import Diagnostic
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
    """A type of column. The fields of a subclass are the values that `fit` finds in the training rows.

    The graphs are made for all columns of a type and a dtype together, so that a net of 5,000 numbers is as small as a net of five. These
    columns are neighbours in an encoded row. Their values there are in any order that `preprocess` and `encode` agree on.

    `reads` are the fields of a rule that the type reads, beside `name` and `type`.
    """

    reads: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def errors(cls, rule: pb.ColumnParameter) -> Iterator[Diagnostic]:
        """Yield what is wrong with a rule, whatever the table has."""
        for field, _ in rule.ListFields():
            if field.name not in ("name", "type", *cls.reads):
                own = f" Its fields are {', '.join(f'`{name}`' for name in cls.reads)}." if cls.reads else ""
                yield Diagnostic(None, f"Column {rule.name!r}: `{field.name}` is not for a {rule.type}.{own}", field="columns")

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        """Return how the cells of a column are read."""
        raise NotImplementedError

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, seen: Values) -> Self:
        """Return the column as fitted on the values of the training rows."""
        raise NotImplementedError

    @classmethod
    def preprocess(cls, columns: Sequence[Self], inputs: Sequence[Value]) -> Value:
        """Return the part of encoded rows, float32 (N, sum of slots), from the raw values (N,) of each column."""
        raise NotImplementedError

    @classmethod
    def encode(cls, columns: Sequence[Self], part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        """Return the vectors (N, width) that a net reads, from this part of encoded rows."""
        raise NotImplementedError

    @property
    def about(self) -> Mapping[str, Any]:
        """What a user of a published model needs to know, as JSON values.

        `example` is a raw value that is typical, null for a missing one. `values` says which values were in the training rows, as a text.
        `gaps` says whether cells were missing.
        """
        raise NotImplementedError

    @property
    def odd(self) -> Sequence[Any]:
        """Raw values that training rows rarely have: a missing one first, then unseen and extreme ones. A model must take them."""
        raise NotImplementedError


def column_types(columns: Iterable[FittedColumn]) -> tuple[ColumnType, ...]:
    """Return fitted columns as what they are: instances of column types."""
    found = tuple(column for column in columns if isinstance(column, ColumnType))
    return found


def groups(columns: Sequence[ColumnType]) -> list[list[int]]:
    """Return the numbers of the columns that are encoded together, in the order of an encoded row."""
    found: dict[tuple[type[ColumnType], str], list[int]] = {}
    for k, column in enumerate(columns):
        found.setdefault((type(column), column.dtype), []).append(k)
    return list(found.values())


def class_of(rule: pb.ColumnParameter) -> type[ColumnType]:
    """The class of a column's type. SpecError if there is none."""
    found: Any = registry.column_type.find(rule.type)
    return cast(type[ColumnType], found)
