"""SQL expressions for the cells of a column."""

import re

from netc.table.reading.options import FOUND_OUT, MISSING, RawColumn, ReadingOptions
from netc.table.reading.store import literal, quoted, stored

MONEY = r"(?:\p{Sc}|\b(?:USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD|BRL|SEK|NOK|DKK|PLN)\b)?"
ALIKE = (" \u00a0\u202f\u2009", "'’")  # separators of thousands that are one in the eyes of a person


def cleaned(cell: str, missing: tuple[str, ...] = ()) -> str:
    """An expression for a text without spaces at both ends, NULL if it means a missing cell."""
    text = f"trim({cell})"
    whole = f"when {text} not in {nulls(missing)} then {text} end"  # list_contains takes a millisecond to plan
    # Most cells begin with a digit, and none of MISSING does.
    return f"case {whole}" if missing else f"case when {cell} >= '0' and {cell} < ':' and not suffix({cell}, ' ') then {cell} {whole}"


def nulls(missing: tuple[str, ...]) -> str:
    """The texts of missing cells, as a list in SQL."""
    return f"({', '.join(map(literal, MISSING + missing))})"


def number_sql(column: RawColumn, options: ReadingOptions = FOUND_OUT) -> str:
    """An expression for the number in a cell: DOUBLE, NULL if the cell is missing or no number. A date becomes seconds since 1970.

    Text may have a sign, digits with the separators of `options`, an exponent, a currency before or after it, and `%`, which does not
    change the number; parentheses make it negative. `0x10` is no number, and `1_000` is 1000.
    """
    # As it is stored, a cell needs no cleaning: spaces and MISSING are no digits. Other missing cells, such as -999, may be.
    name = quoted(column.name) if options.missing else stored(column.name)
    if column.kind != "text":
        name = quoted(column.name)
        return f"epoch({name})" if column.kind == "date" else f"{name}::DOUBLE"
    if options.decimal == ",":
        plain = f"case when not contains({name}, '.') then try_cast(replace({name}, ',', '.') as DOUBLE) end"
    else:
        plain = f"try_cast({name} as DOUBLE)"
    return f"coalesce(nullif({plain}, 'nan'::DOUBLE), {_dressed(name, options)})"


def _dressed(name: str, options: ReadingOptions) -> str:
    """The number in a text with separators of thousands, a currency or a percent sign."""
    decimal, thousands = re.escape(options.decimal or "."), options.thousands
    mark = next((f"[{alike}]" for alike in ALIKE if thousands and thousands in alike), re.escape(thousands))
    whole = rf"\d{{1,3}}(?:{mark}\d{{3}})+|\d+" if thousands else r"\d+"
    digits = rf"(?:(?:{whole})(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][-+]?\d+)?"
    pattern = literal(rf"\(?\s*([-+−]?)\s*{MONEY}\s*([-+−]?)({digits})\s*%?\s*{MONEY}\s*\)?")
    number = f"replace(regexp_replace({name}, {pattern}, '\\1\\2\\3'), '−', '-')"
    number = f"regexp_replace({number}, {literal(mark)}, '', 'g')" if thousands else number
    number = f"replace({number}, ',', '.')" if options.decimal == "," else number
    sign = f"case when starts_with({name}, '(') and ends_with({name}, ')') then -1 else 1 end"
    number = f"{sign} * try_cast({number} as DOUBLE)"
    return f"case when regexp_full_match({name}, {pattern}) then {number} end"


def text_sql(column: RawColumn) -> str:
    """An expression for the text of a cell, the same for one value however it is stored: VARCHAR, NULL if the cell is missing."""
    name = quoted(column.name)
    if column.kind == "number":
        return f"regexp_replace({name}::VARCHAR, '\\.0$', '')"
    return name if column.kind == "text" else f"{name}::VARCHAR"
