"""SQL expressions for the cells of a column."""

from netc.table.reading.options import FOUND_OUT, MISSING, RawColumn, ReadingOptions
from netc.table.reading.store import literal, quoted

SPACES = r"E' \t\r\n'"
CURRENCIES = "$€£¥₹₽₩₺₫฿"


def cleaned(cell: str, missing: tuple[str, ...] = ()) -> str:
    """An expression for a text without spaces at both ends, NULL if it means a missing cell.

    `cell` is already NULL for a missing cell that has no spaces.
    """
    text = f"trim({cell}, {SPACES})"
    # Nearly all cells have no space at their ends, and `trim` without a set of letters is several times faster.
    return f"case when trim({cell}) = {cell} then {cell} when not list_contains({nulls(missing)}, {text}) then {text} end"


def nulled(cell: str, missing: tuple[str, ...]) -> str:
    """An expression for a text, NULL if it is one of the texts of missing cells."""
    return f"case when not list_contains({nulls(missing)}, {cell}) then {cell} end"


def nulls(missing: tuple[str, ...]) -> str:
    """The texts of missing cells, as a list in SQL."""
    return f"[{', '.join(map(literal, MISSING + missing))}]"


def number_sql(column: RawColumn, options: ReadingOptions = FOUND_OUT) -> str:
    """An expression for the number in a cell: DOUBLE, NULL if the cell is missing or no number.

    In text, it reads the decimal and thousands separators of `options`, a currency sign, and `%`, which does not change the number.
    """
    name = quoted(column.name)
    if column.kind != "text":
        return f"epoch({name})" if column.kind == "date" else f"{name}::DOUBLE"
    text = f"trim({name}, {literal('% ' + CURRENCIES)})"
    if options.thousands:
        text = f"replace({text}, {literal(options.thousands)}, '')"
    if options.decimal == ",":
        text = f"replace({text}, ',', '.')"
    return f"try_cast({text} as DOUBLE)"


def text_sql(column: RawColumn) -> str:
    """An expression for the text of a cell, the same for one value however it is stored: VARCHAR, NULL if the cell is missing."""
    name = quoted(column.name)
    if column.kind == "number":
        return f"regexp_replace({name}::VARCHAR, '\\.0$', '')"
    return name if column.kind == "text" else f"{name}::VARCHAR"
