"""How the values of a column are distributed over groups of rows: histograms of numbers, counts of values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from netc import netc_pb2 as pb
from netc.table.columns.define import class_of
from netc.table.profile import ColumnProfile, sampled
from netc.table.reading import RawColumn, RawTable, number_sql, text_sql
from netc.table.reading.store import literal
from netc.table.rules import Choice

BINS = 30  # at most; the width of a bin of numbers is 1, 2 or 5 times a power of ten
FEW_WHOLE = 25  # so many whole numbers have a bin each
TAIL = 0.005  # share of the numbers at each end that are not drawn if they would take more than half of the width
MOST_CLASSES, MOST_VALUES = 5, 8  # the others are together
TOGETHER = 50  # columns per query
QUARTILES = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


@dataclass(frozen=True, eq=False)
class Groups:
    """The group of each sampled row: its class, or the quarter of the rows in which its number is; -1 for rows without a label.

    Without a label, there is one group without a name. `numbers`: the groups are quarters, in order.
    """

    names: tuple[str, ...]
    codes: np.ndarray
    numbers: bool = False

    def counted(self, which: np.ndarray, size: int) -> tuple[tuple[int, ...], ...]:
        """The number of rows of each group for each of `size` values of `which`. Rows with -1 do not count."""
        count, known = len(self.names), (which >= 0) & (self.codes >= 0)
        found = np.bincount(which[known] * count + self.codes[known], minlength=size * count).reshape(size, count)
        return tuple(map(tuple, found.tolist()))


@dataclass(frozen=True)
class Histogram:
    """Numbers in bins: bin k has `counts[k][g]` rows of group g from `edges[k]` to below `edges[k + 1]`; the last includes its end.

    `unit` is "number", "date" (seconds since 1970) or "characters". `outside` rows are beyond the ends.
    """

    unit: str
    edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    outside: int = 0


@dataclass(frozen=True)
class ValueCounts:
    """The most frequent values: value k is in `counts[k][g]` rows of group g. `others` are the rows of each group with another value."""

    values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    others: tuple[int, ...]


Distribution = Histogram | ValueCounts


def groups(raw: RawTable, label: ColumnProfile | None, are_classes: bool) -> Groups:
    """The groups of the sampled rows by the label: its most frequent classes, or its quarters."""
    if label is None:
        (chunk,) = _read(raw, {"n": "1"})
        return Groups(("",), np.zeros(len(chunk), np.int64))
    column = RawColumn(label.name, label.kind)
    if are_classes:
        names = [value for value, _ in label.common[:MOST_CLASSES]]
        (codes,) = _read(raw, {"code": _code(column, names)})
        more = ("other classes",) * (label.distinct > len(names))
        return Groups((*names, *more), codes)
    (values,) = _read(raw, {"number": number_sql(column, raw.dialect)})
    known = np.isfinite(values)
    cuts = np.quantile(values[known], (0.25, 0.5, 0.75)) if known.any() else np.zeros(3)
    return Groups(QUARTILES, np.where(known, np.searchsorted(cuts, values), -1), numbers=True)


def distributions(raw: RawTable, columns: Sequence[tuple[ColumnProfile, Choice]], groups: Groups) -> dict[str, Distribution]:
    """The distribution of each column that has one, by the name of the column: of the values, or of the lengths of texts."""
    found: dict[str, Distribution] = {}
    for start in range(0, len(columns), TOGETHER):
        some = columns[start : start + TOGETHER]
        wanted = {column.name: _wanted(raw, column, choice) for column, choice in some if column.filled}
        if wanted:
            read = _read(raw, {name: sql for name, (_, sql) in wanted.items()})
            profiles = {column.name: column for column, _ in some}
            for (name, (unit, _)), cells in zip(wanted.items(), read, strict=True):
                made = _values(profiles[name], cells, groups) if not unit else histogram(cells, unit, groups, profiles[name])
                found |= {name: made} if made else {}
    return found


def seconds_sql(raw: RawTable, column: ColumnProfile, choice: Choice) -> str:
    """SQL of the seconds of a date since 1970."""
    rule = pb.ColumnParameter(name=column.name, type="date", format=choice.format)
    return class_of(rule).cells(rule, RawColumn(column.name, column.kind), raw.dialect).value


def _wanted(raw: RawTable, column: ColumnProfile, choice: Choice) -> tuple[str, str]:
    """The unit of a histogram and SQL of its numbers, or an empty unit and SQL of the numbers of the most frequent values."""
    place = RawColumn(column.name, column.kind)
    if choice.type == "date":
        return "date", f"({seconds_sql(raw, column, choice)})::DOUBLE"
    if choice.type == "number" or (column.is_numeric and column.distinct > MOST_VALUES and choice.type != "category"):
        return "number", number_sql(place, raw.dialect)
    if choice.type == "text" or (not choice.type and column.kind == "text" and 2 * column.repeated < column.filled):
        return "characters", f"length({text_sql(place)})::DOUBLE"
    return "", _code(place, [value for value, _ in column.common[:MOST_VALUES]])


def _code(column: RawColumn, values: Sequence[str]) -> str:
    """SQL of the position of a cell's value in `values`; their number for another value, -1 for a gap."""
    cases = " ".join(f"when {literal(value)} then {k}" for k, value in enumerate(values))
    text = text_sql(column)
    return f"(case when {text} is null then -1 else case {text} {cases} else {len(values)} end end)::BIGINT"


def _read(raw: RawTable, select: Mapping[str, str]) -> list[np.ndarray]:
    """The cells of the sampled rows, for each item of `select`."""
    chunks = list(raw.chunks(select, where=sampled(raw.rows)))
    return [np.concatenate([chunk[name] for chunk in chunks]) for name in select]


def _values(column: ColumnProfile, codes: np.ndarray, groups: Groups) -> ValueCounts:
    names = tuple(value for value, _ in column.common[:MOST_VALUES])
    counts = groups.counted(codes, len(names) + 1)
    return ValueCounts(names, counts[:-1], counts[-1])


def histogram(values: np.ndarray, unit: str, groups: Groups, column: ColumnProfile) -> Histogram | None:
    """The histogram of numbers; None if none is finite. A few whole numbers have a bin each; long tails are outside."""
    known = np.isfinite(values)
    if not known.any():
        return None
    low, high = float(values[known].min()), float(values[known].max())
    inner = np.quantile(values[known], (TAIL, 1 - TAIL))
    if 0 < inner[1] - inner[0] < (high - low) / 2:
        low, high = map(float, inner)
    edges = _edges(low, high, unit, column.is_whole or unit == "characters")
    which = np.minimum(np.searchsorted(edges, values, side="right") - 1, len(edges) - 2)
    within = known & (values >= edges[0]) & (values <= edges[-1])
    counts = groups.counted(np.where(within, which, -1), len(edges) - 1)
    return Histogram(unit, tuple(edges.tolist()), counts, int((known & ~within).sum()))


def _edges(low: float, high: float, unit: str, whole: bool) -> np.ndarray:
    """The ends of the bins between two numbers: round ones, unless they are dates."""
    if low == high or (whole and high - low < FEW_WHOLE and unit == "number"):
        return np.arange(np.floor(low), np.floor(high) + 2) - 0.5 if whole else np.array([low - 0.5, high + 0.5])
    if unit == "date":
        return np.linspace(low, high, BINS + 1)
    rough = (high - low) / (BINS - 1)
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * (1 - 1e-9))
    step = max(step, 1.0) if whole else step
    return np.asarray(np.arange(np.floor(low / step), np.floor(high / step) + 2) * step)
