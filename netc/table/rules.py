"""The rules that choose the type of a column from its profile, and say why."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from netc.table.profile import DAY_FIRST, ISO, MONTH_FIRST, REPEATED, ColumnProfile, sampled
from netc.table.reading import RawColumn, RawTable, number_sql, quoted, text_sql
from netc.table.reading.store import CELLS, ROW, literal

MOST_GAPS = 0.9  # fraction of the rows
LEAST_FILLED = 10  # rows
MOST_ODD, MOST_ODD_TEXTS = 0.1, 10  # fraction of the cells that may not be of the type of the others, and how many different ones
TEXT_WORDS, SHORT_TEXT_WORDS = 5, 3  # a text has at least so many words in the mean
COMMON_WORDS = 0.9  # share of the words of a short text that are common
PAIRS = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("off", "on"))
CODES = {"zip", "zipcode", "postcode", "postal", "plz", "code", "id", "sku", "fips", "type", "cluster", "category"}
CALENDAR = {"month": 12, "weekday": 7, "dow": 7}  # names of whole numbers that turn over, and how many they are
IDS = {"id", "index", "idx", "key", "uuid", "guid", "row", "rownum", "rowid", "nr", "no", "number", "unnamed", "serial"}
LARGE = 1e15  # larger numbers are written with an exponent
YEARS = 1500, 2100
WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])|\d+")


@dataclass(frozen=True)
class Choice:
    """How a net reads a column, and why. `type` is empty if the net must not read it.

    `format` is that of dates. `missing` are texts that are no value of the type, to be read as gaps; `note` says so.
    """

    name: str
    type: str
    reason: str
    format: str = ISO
    missing: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Seen:
    """What a rule sees: the table, the profile of a column, and the texts that must stay values since a label has them.

    Rules that are not `strict` ignore no column for its gaps or its many values.
    """

    raw: RawTable
    column: ColumnProfile
    kept: frozenset[str] = frozenset()
    strict: bool = True

    @property
    def stored(self) -> RawColumn:
        """The column as it is stored."""
        return RawColumn(self.column.name, self.column.kind)

    def odd(self, sql: str) -> tuple[tuple[str, int], ...]:
        """The texts of cells for which `sql` is NULL, with their counts, the most frequent first; at most one more than are allowed."""
        text = text_sql(self.stored)
        return tuple(self.raw.query(
            f"select {text}, count(*) as n from {CELLS} where {text} is not null and ({sql}) is null"
            f" group by all order by n desc, 1 limit {MOST_ODD_TEXTS + 1}"
        ))  # fmt: skip


Rule = Callable[[Seen], Choice | None]


def _empty(seen: Seen) -> Choice | None:
    return Choice(seen.column.name, "", "empty") if not seen.column.filled else None


def _constant(seen: Seen) -> Choice | None:
    column = seen.column
    if column.distinct > 1 or column.missing:
        return None
    return Choice(column.name, "", f"constant: always {_short(column.common[0][0])}")


def _boolean(seen: Seen) -> Choice | None:
    column = seen.column
    values = tuple(sorted(value.lower() for value, _ in column.common)) if column.distinct <= 2 else ()
    if column.kind != "boolean" and values not in PAIRS:
        return None
    return _gaps(seen) or Choice(column.name, "boolean", _of(column, " or ".join(values)))


def _date(seen: Seen) -> Choice | None:
    """A date, in the format that fits all cells but a few odd ones."""
    column = seen.column
    if not column.dates:
        return None
    most = max(column.dates.values())
    formats = [form for form, count in column.dates.items() if count == most]
    form, note = formats[0], ""
    for first, second in ((DAY_FIRST, MONTH_FIRST), (MONTH_FIRST, DAY_FIRST)):
        swapped = form.replace(first, second)
        if swapped != form and swapped in formats:
            form = swapped if _day_first(seen.raw) == (first == MONTH_FIRST) else form
            note = f"Each date is one with the day first and with the month first; read as {form}."
            break
    if column.kind == "date":
        return _gaps(seen) or Choice(column.name, "date", _of(column, "dates"))
    text = text_sql(seen.stored)
    parsed = f"try_strptime({text}, {literal(form)})" if form else f"try_cast({text} as timestamp)"
    return _with_odd(seen, Choice(column.name, "date", _of(column, f"dates as {form or 'ISO 8601'}"), form, note=note), parsed, most)


def _day_first(raw: RawTable) -> bool:
    return raw.dialect.decimal == "," or raw.dialect.delimiter == ";"


def _id(seen: Seen) -> Choice | None:
    """Whole numbers that number the rows."""
    column = seen.column
    if not (column.is_whole and column.distinct == column.rows > LEAST_FILLED) or YEARS[0] <= column.low <= column.high <= YEARS[1]:
        return None
    dense = column.high - column.low < 2 * column.rows
    if not (column.counts_rows or dense or IDS.intersection(words_of(column.name))):
        return None
    return Choice(column.name, "", "an id: counts the rows" if column.counts_rows else "an id: each row has a number of its own")


def _code(seen: Seen) -> Choice | None:
    """Whole numbers without an order: those with leading zeros, and those whose name says so."""
    column = seen.column
    last = words_of(column.name)[-1:]
    turns = bool(last) and 0 <= column.low <= column.high <= CALENDAR.get(last[0], -1)
    if not column.is_whole or column.distinct <= 2 or not (column.padded or turns or CODES.intersection(last)):
        return None
    why = "codes with leading zeros" if column.padded else f"whole numbers, and codes by the name ({last[0]})"
    return _unique(seen) or _gaps(seen, category=True) or Choice(column.name, "category", _of(column, f"{column.distinct:,} {why}"))


def _number(seen: Seen) -> Choice | None:
    """Numbers, but for a few odd texts."""
    column = seen.column
    if not column.numbers:
        return None
    limits = span(column)
    why = f"whole numbers from {limits}" if column.whole == column.numbers else f"numbers from {limits}"
    return _with_odd(seen, Choice(column.name, "number", _of(column, why)), number_sql(seen.stored, seen.raw.dialect), column.numbers)


def _with_odd(seen: Seen, choice: Choice, sql: str, read: int) -> Choice | None:
    """The choice with its odd texts as gaps; None if there are too many of them."""
    column, odd = seen.column, seen.odd(sql) if read < seen.column.filled else ()
    few = column.filled - read <= MOST_ODD * column.filled and len(odd) <= MOST_ODD_TEXTS
    if not few or any(text in seen.kept for text, _ in odd):
        return None
    if not odd:
        return _gaps(seen) or choice
    texts = ", ".join(_short(text) for text, _ in odd[:3])
    note = f"{column.filled - read:,} of {column.filled:,} cells are no {choice.type}s: {texts}{_where(seen, sql)}. They are read as gaps."
    return _gaps(seen) or replace(choice, missing=tuple(text for text, _ in odd), note=" ".join(filter(None, (choice.note, note))))


def _where(seen: Seen, sql: str) -> str:
    """The lines of the first three odd cells."""
    name = quoted(seen.column.name)
    rows = seen.raw.query(f"select {ROW} from {CELLS} where {name} is not null and ({sql}) is null order by {ROW} limit 3")
    lines = [seen.raw.place(row, seen.column.name).line for (row,) in rows]
    return f" (lines {', '.join(map(str, lines))})" if all(lines) else ""


def _text(seen: Seen) -> Choice | None:
    """Texts of several words. Short ones are texts if nearly all of their words are common; names of people and places are not."""
    column = seen.column
    least = (TEXT_WORDS if not _has_common_words(seen) else SHORT_TEXT_WORDS) if seen.strict else 1
    if column.words < least or 2 * column.distinct <= column.filled:
        return None
    return _gaps(seen) or Choice(column.name, "text", _of(column, f"texts of {column.words:.0f} words"))


def _has_common_words(seen: Seen) -> bool:
    """Whether nearly all words of a short text are in three rows or more."""
    column, text = seen.column, text_sql(seen.stored)
    if not SHORT_TEXT_WORDS <= column.words < TEXT_WORDS or 2 * column.distinct <= column.filled:
        return False
    where = " and ".join(filter(None, (f"{text} is not null", sampled(column.rows))))
    ((share,),) = seen.raw.query(
        f"with words as (select {ROW} as r, unnest(regexp_extract_all(lower({text}), '[\\pL\\pN]+')) as w from {CELLS} where {where}),"
        " counted as (select count(distinct r) as rows, count(*) as n from words group by w)"
        f" select coalesce(sum(n) filter (rows >= {REPEATED}) / sum(n), 0) from counted"
    )
    return float(share) >= COMMON_WORDS


def _category(seen: Seen) -> Choice:
    column = seen.column
    values = f"{column.distinct:,} value{'s' * (column.distinct > 1)}"
    return _unique(seen) or _gaps(seen, category=True) or Choice(column.name, "category", _of(column, values))


# The rules in their order: the first that has a choice decides. The last one always has.
RULES: tuple[Rule, ...] = (_empty, _constant, _date, _boolean, _id, _code, _number, _text, _category)


def _unique(seen: Seen) -> Choice | None:
    """Ignored if most values are in fewer than three rows."""
    column = seen.column
    if not seen.strict or 2 * column.repeated >= column.filled or column.distinct <= max(2, REPEATED):
        return None
    return Choice(column.name, "", f"nearly unique: {column.distinct:,} values in {column.filled:,} rows")


def _gaps(seen: Seen, category: bool = False) -> Choice | None:
    """Ignored if too few cells have a value. In a category, a gap is one more value."""
    column = seen.column
    enough = max(LEAST_FILLED, column.rows // 100) if category else (1 - MOST_GAPS) * column.rows
    if not seen.strict or column.filled >= min(enough, column.rows / 2):
        return None
    return Choice(column.name, "", f"too few values: {column.filled:,} of {column.rows:,} cells")


def _of(column: ColumnProfile, what: str) -> str:
    return f"{what}; {gaps(column)}" if column.missing else what


def words_of(name: str) -> list[str]:
    """The words of a column's name: `shopZip_code` has shop, zip and code."""
    return [word.lower() for word in WORD.findall(name)]


def span(column: ColumnProfile) -> str:
    """The smallest and the largest number of a column."""
    low, high = (f"{x:,.0f}" if x == int(x) and abs(x) < LARGE and (abs(x) >= 10_000) else f"{x:.6g}" for x in (column.low, column.high))
    return f"{low} to {high}"


def gaps(column: ColumnProfile) -> str:
    """The number of rows without a value, in words."""
    return f"{column.missing:,} gap{'s' * (column.missing != 1)}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 24 else text[:21] + "...")
