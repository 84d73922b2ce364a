"""Columns of numbers: the number, a flag for gaps, and pieces between quantiles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op
from netc.registry import column_type
from netc.table.columns.block import block, end_to_end, side_by_side, taken
from netc.table.columns.define import Cells, ColumnType, Values, Weight
from netc.table.reading import RawColumn, ReadingOptions, number_sql, quoted

MOST_PIECES = 32
LARGEST = 1e6  # beyond this many spreads a number is no longer distinguished; the limit of the curve is 3
MOST_MOVED = 1e-5  # if rounding to float32 moves a number further on the curve, the column is read as float64
SMALLEST, GREATEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


@column_type("number")
@dataclass(frozen=True)
class Number(ColumnType):
    """A number x becomes z / sqrt(1 + (z / 3)^2) with z = (x - middle) / spread, which is between -3 and 3.

    `middle` is the median of the training rows, `spread` the distance of the quartiles. A gap is read as the median. `gaps`: there are
    gaps in the training rows, so a second value is 1 for a gap. `knots` and `distinct` are quantiles of the rows and of the distinct
    values, after the curve. `low` and `high` are the limits of the training rows. `double`: the values need float64.
    """

    middle: float
    spread: float
    gaps: bool
    knots: tuple[float, ...]
    distinct: tuple[float, ...]
    low: float
    high: float
    double: bool = False

    @property
    def dtype(self) -> str:
        return "float64" if self.double else "float32"

    @property
    def slots(self) -> int:
        return 1 + self.gaps

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        value = number_sql(column, dialect)
        return Cells(value, f"{quoted(column.name)} is not null and {value} is null", "Expected a number.")

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, seen: Values) -> "Number":
        return cls.of(rule.name, seen.values.astype(np.float64), seen.counts, seen.missing > 0)

    @classmethod
    def of(cls, name: str, values: np.ndarray, counts: np.ndarray, gaps: bool) -> "Number":
        """Return the column as fitted on distinct values, sorted, with the rows that have each. Infinite ones are left out."""
        finite = np.isfinite(values)
        values, counts = (values[finite], counts[finite]) if finite.any() else (np.zeros(1), np.ones(1, np.int64))
        low, middle, high = (float(v) for v in quantiles(values, counts, np.array([0.25, 0.5, 0.75])))
        spread = _difference(low, high) or _difference(float(values[0]), float(values[-1])) / 2 or 1.0
        parts = np.linspace(0, 1, MOST_PIECES + 1)
        ends = (quantiles(values, counts, parts), quantiles(values, np.ones_like(counts), parts))
        knots, distinct = (tuple(float(str(np.float32(v))) for v in _curve(e, middle, spread)) for e in ends)
        double = _needs_double(values, middle, spread)
        return cls(name, middle, spread, gaps, knots, distinct, float(values[0]), float(values[-1]), double)

    @classmethod
    def preprocess(cls, columns: Sequence["Number"], inputs: Sequence[Value]) -> Value:
        return standardized(columns, block(end_to_end(inputs), len(inputs), inputs[0].shape[0]))

    @classmethod
    def encode(cls, columns: Sequence["Number"], part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        edges = [column.edges(int(param.pieces)) for column in columns]
        source = np.repeat(np.arange(len(columns)), [max(0, len(e) - 1) for e in edges])
        if not len(source):
            return [part]
        low, width = (np.concatenate(ends) for ends in zip(*((e[:-1], np.diff(e)) for e in edges), strict=True))
        return [part, op.Clip((op.Gather(part, constant(source), axis=1) - constant(low)) / constant(width), 0.0, 1.0)]

    def edges(self, pieces: int) -> np.ndarray:
        """The ends of the pieces: `pieces` intervals between quantiles of the rows, and as many of the distinct values."""
        if not pieces:
            return np.zeros(0, np.float32)
        chosen = np.rint(np.linspace(0, MOST_PIECES, pieces + 1)).astype(int)
        return np.unique(np.array([[*self.knots], [*self.distinct]], np.float32)[:, chosen])

    @property
    def about(self) -> Mapping[str, Any]:
        return {"example": self.middle, "values": f"{self.low:.10g} to {self.high:.10g}", "gaps": self.gaps}

    @property
    def odd(self) -> Sequence[float]:
        most = float(np.finfo(self.dtype).max)
        return [np.nan, np.inf, -np.inf, most, -most, float(np.finfo(self.dtype).smallest_subnormal), 0.0, -1e30]


def standardized(columns: Sequence[Number], x: Value) -> Value:
    """Return the numbers after the curve and the flags of the columns that have gaps, from the raw values (N, columns)."""
    missing = op.IsNaN(x)
    middle, spread = (constant(np.array(v, x.dtype)) for v in ([c.middle for c in columns], [c.spread for c in columns]))
    z = op.Clip((op.Where(missing, middle, x) - middle) / spread, -LARGEST, LARGEST)
    third = z / 3.0
    flagged = [k for k, column in enumerate(columns) if column.gaps]
    flags = [cast(taken(missing, flagged), np.float32)] if flagged else []
    return side_by_side([cast(z / op.Sqrt(third * third + 1.0), np.float32), *flags])


def quantiles(values: np.ndarray, counts: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The values at fractions of the rows, without interpolation. `values` are sorted, `counts` the rows with each."""
    ends = np.cumsum(counts)
    places = np.rint(parts * (ends[-1] - 1)).astype(np.int64)
    found: np.ndarray = values[np.searchsorted(ends, places, side="right")]
    return found


def _difference(low: float, high: float) -> float:
    """The distance of two numbers, at most half of the largest float64."""
    return min(high - low, float(np.finfo(np.float64).max) / 2)


def _curve(x: np.ndarray, middle: float, spread: float) -> np.ndarray:
    with np.errstate(over="ignore"):
        z = np.clip((x - middle) / spread, -LARGEST, LARGEST)
    found: np.ndarray = z / np.sqrt(1 + (z / 3) ** 2)
    return found


def _needs_double(values: np.ndarray, middle: float, spread: float) -> bool:
    """Whether float32 would merge whole numbers, move others visibly, or lack the range."""
    if max(abs(values[0]), abs(values[-1]), spread) > GREATEST / 4 or spread < SMALLEST:
        return True
    rounded = values.astype(np.float32).astype(np.float64)
    if ((rounded != values) & (values == np.rint(values))).any():
        return True
    return bool(np.abs(_curve(rounded, middle, spread) - _curve(values, middle, spread)).max() > MOST_MOVED)
