"""Statistics of the columns of a table, in a few passes over its rows and in bounded memory."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from netc.table.reading import ROW, RawColumn, RawTable, number_sql, text_sql
from netc.table.reading.options import Kind
from netc.table.reading.store import CELLS, literal

COMMON = 30  # most frequent values that a profile has
REPEATED = 3  # a value in fewer rows is rare
TOGETHER = 50  # columns per query
LARGEST = 1e90  # the sum of the cubes of larger numbers overflows
FEW_ROWS = 10_000  # in so few rows, values are counted in Python
SAMPLED = 20_000  # rows of a sample
ISO = ""  # the format of dates that netc reads without being told
DAY_FIRST, MONTH_FIRST = "%d/%m/%Y", "%m/%d/%Y"
DAYS = ("%d.%m.%Y", MONTH_FIRST, DAY_FIRST, "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y", "%d-%b-%Y", "%d %b %Y",
        "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y.%m.%d", "%Y%m%d", "%d-%b-%y", "%Y-%m", "%m/%Y")  # fmt: skip
TIMES = ("", " %H:%M:%S", " %H:%M", " %I:%M %p", " %I:%M:%S %p")
LIKE_A_DATE = re.compile(r"\d{8}$|\d{1,4}[./-]\d{1,2}[./-]\d|\d{4}-\d\d?$|\d\d?/\d{4}$|\d\d?[ -][A-Za-z]{3}|[A-Za-z]{3,9} \d")
FORMATS = tuple(day + time for day in DAYS for time in TIMES)

Values = tuple[int, int, tuple[tuple[str, int], ...]]  # distinct, repeated and common, see ColumnProfile


@dataclass(frozen=True)
class ColumnProfile:
    """What the cells of a column are.

    `distinct` values are in the rows, `repeated` rows have a value that is in at least three rows. `common` are the most frequent values
    as texts, with their counts. `numbers` cells are numbers, `whole` of them whole numbers, `zeros` of them 0; `low` to `skewness` are of
    those. `padded` texts are digits after a 0. `length` and `words` are means of characters and of words. `dates` counts the cells that
    are dates, by their format. `counts_rows`: the cells are the row number plus a constant. Columns of one `fingerprint` are equal.
    """

    name: str
    kind: Kind
    rows: int
    filled: int
    distinct: int
    repeated: int
    common: tuple[tuple[str, int], ...]
    fingerprint: int
    numbers: int = 0
    whole: int = 0
    zeros: int = 0
    padded: int = 0
    low: float = 0
    high: float = 0
    mean: float = 0
    deviation: float = 0
    skewness: float = 0
    length: float = 0
    words: float = 0
    counts_rows: bool = False
    dates: Mapping[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """Number of rows without a value."""
        return self.rows - self.filled

    @property
    def gaps(self) -> float:
        """Fraction of the rows without a value."""
        return self.missing / max(self.rows, 1)

    @property
    def is_numeric(self) -> bool:
        """Whether all cells that have a value are numbers."""
        return 0 < self.filled == self.numbers

    @property
    def is_whole(self) -> bool:
        """Whether all cells that have a value are whole numbers."""
        return 0 < self.filled == self.whole


def profile(raw: RawTable, columns: Sequence[RawColumn] = ()) -> dict[str, ColumnProfile]:
    """Return the profile of each column of a table, or of some of its columns, by name."""
    found: dict[str, ColumnProfile] = {}
    wanted = columns or raw.columns
    for start in range(0, len(wanted), TOGETHER):
        some = wanted[start : start + TOGETHER]
        for column, measured, values in zip(some, _measured(raw, some), _values(raw, some), strict=True):
            found[column.name] = _profile(raw, column, measured, values)
    return found


def sampled(rows: int, most: int = SAMPLED) -> str:
    """SQL that is true for about `most` rows that are spread over the table; empty if there are no more."""
    return f"({ROW} * 2654435761) % 4294967296 < {int(most / rows * 4294967296)}" if rows > most else ""


def _measured(raw: RawTable, columns: Sequence[RawColumn]) -> Iterator[tuple[Any, ...]]:
    """The aggregates of `_aggregates` for each column."""
    cells, wanted = [f"{ROW}::UBIGINT as r"], list[str]()
    for k, column in enumerate(columns):
        number = number_sql(column, raw.dialect)
        cells += [f"{text_sql(column)} as t{k}", f"{number} as n{k}", f"case when abs(n{k}) < {LARGEST} then n{k} end as f{k}"]
        wanted += _aggregates(f"t{k}", f"n{k}", f"f{k}", column.kind == "text")
    (row,) = raw.query(f"select {', '.join(wanted)} from (select {', '.join(cells)} from {CELLS})")
    each = len(wanted) // len(columns)
    return iter(row[k : k + each] for k in range(0, len(row), each))


def _aggregates(text: str, number: str, finite: str, is_text: bool) -> list[str]:
    """SQL of the aggregates of a column, in the order in which `_profile` reads them."""
    return [
        f"count({text})",
        f"bit_xor(hash(xor(hash({text}), r)))",
        f"bit_xor(hash(xor(hash({number}), r)))",
        f"count({number})",
        f"count_if({finite} = floor({finite}))",
        f"count_if({finite} = 0)",
        f"count_if({text} > '0' and {text} < '1' and regexp_matches({text}, '^0[0-9]+$'))" if is_text else "0",
        f"min({finite})",
        f"max({finite})",
        f"avg({finite})",
        f"stddev_pop({finite})",
        f"skewness({finite})",
        f"avg(length({text}))" if is_text else "0",
        f"avg(length({text}) - length(replace({text}, ' ', '')) + 1)" if is_text else "0",
        f"min({finite} - r) = max({finite} - r)",
    ]


def _profile(raw: RawTable, column: RawColumn, measured: tuple[Any, ...], values: Values) -> ColumnProfile:
    filled, cells, digits, numbers, whole, zeros, padded, low, high, mean, deviation, skewness, length, words, counts_rows = measured
    distinct, repeated, common = values
    dates = _dates(raw, column, common) if column.kind == "text" else {ISO: filled} if column.kind == "date" else {}
    return ColumnProfile(
        column.name, column.kind, raw.rows, filled, distinct, repeated, common, digits if numbers == filled else cells, numbers,
        whole, zeros, padded, low or 0.0, high or 0.0, mean or 0.0, deviation or 0.0, skewness or 0.0, length or 0.0, words or 0.0,
        bool(counts_rows) and filled == raw.rows, dates,
    )  # fmt: skip


def _values(raw: RawTable, columns: Sequence[RawColumn]) -> list[Values]:
    """Number of distinct values, of rows with a repeated value, and the most frequent values with their counts, for each column."""
    if raw.rows <= FEW_ROWS:  # a query for each of thousands of columns would take minutes
        texts = {column.name: text_sql(column) for column in columns}
        counters = {name: Counter[str]() for name in texts}
        for chunk in raw.chunks(texts):
            for name, cells in chunk.items():
                counters[name].update(cells.tolist())
        return [_counted(counter) for counter in counters.values()]
    return [_grouped(raw, text_sql(column)) for column in columns]


def _counted(counter: Counter[str]) -> Values:
    counts = sorted((-n, value) for value, n in counter.items() if value)
    return len(counts), sum(-n for n, _ in counts if -n >= REPEATED), tuple((value, -n) for n, value in counts[:COMMON])


def _grouped(raw: RawTable, text: str) -> Values:
    counted = f"select {text} as value, count(*) as n from {CELLS} where {text} is not null group by value"
    rows = raw.query(
        f"with counted as ({counted}), summed as (select count(*) as d, coalesce(sum(n) filter (n >= {REPEATED}), 0) as r from counted)"
        f" select value, n, d, r from summed left join (select * from counted order by n desc, value limit {COMMON}) on true"
        " order by n desc, value"
    )
    return int(rows[0][2]), int(rows[0][3]), tuple((value, n) for value, n, *_ in rows if value is not None)


def _dates(raw: RawTable, column: RawColumn, common: Sequence[tuple[str, int]]) -> dict[str, int]:
    """The number of cells that are dates, for each format that fits most of the common values."""
    values = [value for value, _ in common if LIKE_A_DATE.match(value)]
    if 2 * len(values) <= len(common):
        return {}
    likely = [form for form in FORMATS if any(_is_date(value, form) for value in values[:3])]
    likely = [form for form in likely if 2 * sum(_is_date(value, form) for value in values) > len(common)]
    iso = 2 * sum(value[:4].isdigit() and value[4:5] == "-" for value, _ in common) > len(common)
    text = text_sql(column)
    wanted = [f"count(try_cast({text} as timestamp))"] if iso else []
    wanted += [f"count(try_strptime({text}, {literal(form)}))" for form in likely]
    if not wanted:
        return {}
    (row,) = raw.query(f"select {', '.join(wanted)} from {CELLS}")
    return {form: n for form, n in zip(([ISO] if iso else []) + likely, row, strict=True) if n}


def _is_date(text: str, form: str) -> bool:
    if form == "%Y%m%d" and len(text) != 8:  # Python reads fewer digits too
        return False
    try:
        return 1800 <= datetime.strptime(text, form).year <= 2200
    except ValueError:
        return False
