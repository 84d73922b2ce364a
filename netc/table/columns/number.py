"""Columns of numbers: the number, a flag for gaps, and pieces between quantiles."""

from dataclasses import dataclass

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op
from netc.registry import column_type
from netc.table.columns.define import Cells, ColumnType, Values, Weight
from netc.table.reading import RawColumn, ReadingOptions, number_sql, quoted

MOST_PIECES = 32
LARGEST = 1e6  # beyond this many spreads a number is no longer distinguished; the limit of the curve is 3


@column_type("number")
@dataclass(frozen=True)
class Number(ColumnType):
    """A number x becomes z / sqrt(1 + (z / 3)^2) with z = (x - middle) / spread, which is between -3 and 3.

    `middle` is the median of the training rows, `spread` the distance of the quartiles. A gap is read as the median. `gaps`: there are
    gaps in the training rows, so a second value is 1 for a gap. `knots` and `distinct` are quantiles of the rows and of the distinct
    values, after the curve. `double`: float32 would merge values.
    """

    middle: float
    spread: float
    gaps: bool
    knots: tuple[float, ...]
    distinct: tuple[float, ...]
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
        known = seen.rows[np.isfinite(seen.rows)]
        known = known if len(known) else np.zeros(1)
        low, middle, high = (float(v) for v in np.quantile(known, (0.25, 0.5, 0.75)))
        spread = high - low or float(known[-1] - known[0]) / 2 or 1.0
        unique = np.unique(known)
        double = len(np.unique(unique.astype(np.float32))) < len(unique)
        parts = np.linspace(0, 1, MOST_PIECES + 1)
        made = cls(rule.name, middle, spread, bool(seen.missing), (), (), double)
        knots, distinct = (tuple(made._curve(np.quantile(v, parts, method="nearest")).tolist()) for v in (known, unique))
        return cls(rule.name, middle, spread, made.gaps, knots, distinct, double)

    def _curve(self, x: np.ndarray) -> np.ndarray:
        z = np.clip((x - self.middle) / self.spread, -LARGEST, LARGEST)
        return (z / np.sqrt(1 + (z / 3) ** 2)).astype(np.float32)

    def preprocess(self, x: Value) -> Value:
        missing = op.IsNaN(x)
        middle, spread = (constant(np.asarray(v, x.dtype)) for v in (self.middle, self.spread))
        z = op.Clip((op.Where(missing, middle, x) - middle) / spread, -LARGEST, LARGEST)
        third = z / 3.0
        parts = [cast(z / op.Sqrt(third * third + 1.0), np.float32)]
        parts += [cast(missing, np.float32)] if self.gaps else []
        return op.Concat(*(op.Unsqueeze(v, [1]) for v in parts), axis=1) if self.gaps else op.Unsqueeze(parts[0], [1])

    def encode(self, part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        z = op.Slice(part, [0], [1], [1]) if self.gaps else part
        edges = self._edges(min(int(param.pieces), MOST_PIECES))
        if len(edges) < 2:
            return [part]
        low, width = edges[:-1], np.diff(edges)
        return [part, op.Clip((z - constant(low)) / constant(width), 0.0, 1.0)]

    def _edges(self, pieces: int) -> np.ndarray:
        """The ends of the pieces: `pieces` intervals between quantiles of the rows, and as many of the distinct values."""
        if not pieces:
            return np.zeros(0, np.float32)
        chosen = np.rint(np.linspace(0, MOST_PIECES, pieces + 1)).astype(int)
        return np.unique(np.array([[*self.knots], [*self.distinct]], np.float32)[:, chosen])
