"""Columns of dates and times: their parts as numbers, and as points on circles."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import Diagnostic, near
from netc.graph.ir import Value, cast, constant, op
from netc.registry import column_type
from netc.table.columns.block import block, end_to_end, side_by_side, taken
from netc.table.columns.calendar import CYCLES, FIRST, LAST, PARTS, calendar, calendar_of
from netc.table.columns.define import MISSING_INT, Cells, ColumnType, Values, Weight
from netc.table.columns.number import Number, quantiles, standardized
from netc.table.reading import RawColumn, ReadingOptions, quoted
from netc.table.reading.store import literal

# What a format may contain: DuckDB's specifiers.
LETTERS = "a A b B d -d f g H -H I -I j -j m -m M -M n p S -S y -y Y z Z %"
SPECIFIERS = tuple(f"%{letter}" for letter in LETTERS.split())
# How dates are written, and SQL for their seconds. All other texts are read as ISO 8601 without a zone.
FORMS = {
    r".*\d\d?:\d\d(:\d\d(\.\d+)?)? ?([zZ]|[+-]\d\d(:?\d\d)?|UTC|GMT|[A-Z][A-Za-z]*/[A-Za-z_]+)": "epoch(try_cast({x} as TIMESTAMPTZ))",
    r"\d{4}": "epoch(try_cast({x} || '-01-01' as TIMESTAMP))",
    r"\d{4}-\d\d": "epoch(try_cast({x} || '-01' as TIMESTAMP))",
    r"\d{8}": "epoch(try_strptime({x}, '%Y%m%d'))",
    r"-?\d{9,10}": "{x}::DOUBLE",  # seconds since 1970
    r"-?\d{12,13}": "{x}::DOUBLE / 1000",
}


@column_type("date")
@dataclass(frozen=True)
class Date(ColumnType):
    """A date is read in seconds since 1970 (UTC); the least int64 is a gap.

    `parts` are those of `calendar.PARTS` that the net reads, each a number like any other. A gap is read as the median of each part.
    `gaps`: there are gaps in the training rows, so one more value is 1 for a gap. `means` has the mean sine and cosine of the training
    rows for each part, which stand for a gap on its circle. `low`, `middle` and `high` are the limits and the median.
    """

    reads: ClassVar[tuple[str, ...]] = ("parts", "format")

    parts: tuple[str, ...]
    numbers: tuple[Number, ...]
    means: tuple[tuple[float, float], ...]
    gaps: bool
    low: int
    high: int
    middle: int

    @property
    def dtype(self) -> str:
        return "int64"

    @property
    def slots(self) -> int:
        return len(self.parts) + sum(part in CYCLES for part in self.parts) + self.gaps

    @classmethod
    def errors(cls, rule: pb.ColumnParameter) -> Iterator[Diagnostic]:
        yield from super().errors(rule)
        for part in rule.parts:
            if part not in PARTS:
                yield Diagnostic(None, f"Column {rule.name!r}: There is no part {part!r} of a date.", near(part, PARTS), "columns")
        for sign in re.findall(r"%-?.?", rule.format):
            if sign not in SPECIFIERS:
                text = f"Column {rule.name!r}: The format {rule.format!r} has {sign!r}. Expected {' '.join(SPECIFIERS)}."
                yield Diagnostic(None, text, field="columns")
        if rule.format and "%" not in rule.format:
            yield Diagnostic(None, f"Column {rule.name!r}: The format {rule.format!r} has no part such as %d, %m or %Y.", field="columns")

    @classmethod
    def cells(cls, rule: pb.ColumnParameter, column: RawColumn, dialect: ReadingOptions) -> Cells:
        name = quoted(column.name)
        text = f"{name}::BIGINT::VARCHAR" if column.kind in ("number", "integer") else f"{name}::VARCHAR"
        value = f"epoch({name})" if column.kind == "date" else _read(text, rule.format)
        wanted = f"Expected a date in the format {rule.format}." if rule.format else "Expected a date such as 2024-01-31; set its `format`."
        return Cells(f"floor({value})::BIGINT", f"{name} is not null and {value} is null", wanted)

    @classmethod
    def fit(cls, rule: pb.ColumnParameter, seen: Values) -> "Date":
        values, counts = (seen.values, seen.counts) if len(seen.values) else (np.zeros(1, np.int64), np.ones(1, np.int64))
        found = calendar_of(values)
        parts = tuple(rule.parts) or tuple(p for p in PARTS if len(np.unique(found[p])) > 1) or ("time",)
        numbers = tuple(Number.of(rule.name, *_merged(found[part], counts), gaps=False) for part in parts)
        means = tuple(_mean(part, found[part], counts) if part in CYCLES else (0.0, 0.0) for part in parts)
        middle = int(quantiles(values, counts, np.array([0.5]))[0])
        return cls(rule.name, parts, numbers, means, seen.missing > 0, int(values[0]), int(values[-1]), middle)

    @classmethod
    def preprocess(cls, columns: Sequence["Date"], inputs: Sequence[Value]) -> Value:
        seconds = block(end_to_end(inputs), len(inputs), inputs[0].shape[0])
        missing, parts = op.Equal(seconds, constant(np.int64(MISSING_INT))), calendar(seconds)
        chosen = [(part, [k for k, column in enumerate(columns) if part in column.parts]) for part in PARTS]
        taken_parts = [(part, taken(parts[part], of), taken(missing, of)) for part, of in chosen if of]
        raw = side_by_side([op.Where(gap, constant(np.nan, np.float64), cast(x, np.float64)) for _, x, gap in taken_parts])
        codes = [op.Where(gap, constant(np.int64(0)), x + (1 - CYCLES[part][0])) for part, x, gap in taken_parts if part in CYCLES]
        flagged = [k for k, column in enumerate(columns) if column.gaps]
        rest = [cast(x, np.float32) for x in (*codes, *([taken(missing, flagged)] if flagged else []))]
        return side_by_side([standardized([number for _, _, number in _numbers(columns)], raw), *rest])

    @classmethod
    def encode(cls, columns: Sequence["Date"], part: Value, weight: Weight, param: pb.EncodeParameter) -> list[Value]:
        numbers = list(_numbers(columns))
        cyclic = [(name, columns[k].means[columns[k].parts.index(name)]) for name, k, _ in numbers if name in CYCLES]
        first, last = len(numbers), len(numbers) + len(cyclic)
        made = Number.encode([number for *_, number in numbers], op.Slice(part, [0], [first], [1]), weight, param)
        if cyclic:
            made.append(_circles(cyclic, op.Slice(part, [first], [last], [1])))
        return [*made, op.Slice(part, [last], [last + flags], [1])] if (flags := sum(column.gaps for column in columns)) else made

    @property
    def about(self) -> Mapping[str, Any]:
        return {"example": self.middle, "values": f"{_text(self.low)} to {_text(self.high)}, in seconds since 1970", "gaps": self.gaps}

    @property
    def odd(self) -> Sequence[int]:
        return [MISSING_INT, MISSING_INT + 1, np.iinfo(np.int64).max, FIRST, LAST, 0, -1]


def _numbers(columns: Sequence[Date]) -> Iterator[tuple[str, int, Number]]:
    """Yield the parts in the order of an encoded row: the part, the number of its column, and how it is read as a number."""
    for part in PARTS:
        for k, column in enumerate(columns):
            if part in column.parts:
                yield part, k, column.numbers[column.parts.index(part)]


def _circle(part: str) -> np.ndarray:
    """The sine and the cosine of each value of a part."""
    angles = 2 * np.pi * np.arange(CYCLES[part][1]) / CYCLES[part][1]
    return np.stack([np.sin(angles), np.cos(angles)], 1)


def _circles(parts: Sequence[tuple[str, tuple[float, float]]], codes: Value) -> Value:
    """The sine and the cosine of each part (N, 2 parts). Code 0 is a gap and reads the given mean; code 1 is the first value."""
    tables = [np.concatenate([np.array([mean]), _circle(part)]) for part, mean in parts]
    starts = np.cumsum([0, *(len(table) for table in tables[:-1])])
    points = op.Gather(constant(np.concatenate(tables).astype(np.float32)), cast(codes, np.int64) + constant(starts), axis=0)
    return op.Reshape(points, [-1, 2 * len(parts)], shape=(codes.shape[0], 2 * len(parts)))


def _mean(part: str, values: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    sine, cosine = np.average(_circle(part)[values - CYCLES[part][0]], axis=0, weights=counts)
    return float(sine), float(cosine)


def _merged(values: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct values, sorted, with the sums of their counts."""
    unique, index = np.unique(values, return_inverse=True)
    return unique.astype(np.float64), np.bincount(index, counts).astype(np.int64)


def _read(text: str, form: str) -> str:
    """SQL for the seconds since 1970 of a text: in the given format, or as in `FORMS`."""
    if form:
        return f"epoch(try_strptime({text}, {literal(form)}))"
    cases = " ".join(f"when regexp_full_match({text}, {literal(pattern)}) then {value.format(x=text)}" for pattern, value in FORMS.items())
    return f"case {cases} else epoch(try_cast({text} as TIMESTAMP)) end"


def _text(seconds: int) -> str:
    date = datetime.fromtimestamp(min(max(seconds, FIRST), LAST), UTC)
    return f"{date:%Y-%m-%d}" if seconds % 86_400 == 0 else f"{date:%Y-%m-%d %H:%M:%S}"
