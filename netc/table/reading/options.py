"""How a table is read, and what a column is stored as."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "integer", "boolean", "date"]

# Cells without a value. "None", "-" and "." are values in many tables; `ReadingOptions.missing` adds them.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NAN", "-nan", "NULL", "null", "Null", "?", "\\N")


@dataclass(frozen=True)
class ReadingOptions:
    """How to read a table. What is not set is found out.

    The delimiter " " stands for any number of spaces and tabs, and a line end for a table of one column.
    """

    query: str = ""  # for databases; for files, SQL over the relation `cells`
    delimiter: str = ""
    decimal: str = ""  # "." or ","
    thousands: str = ""
    comment: str = ""  # lines that begin with it are left out
    quote: str = ""
    encoding: str = ""  # a name that Python knows
    header: bool | None = None  # whether the first row has the names of the columns
    sheet: str = ""  # of an Excel file
    missing: tuple[str, ...] = ()  # texts that mean a missing cell, beside MISSING
    escape: str = ""  # stands before a quote within a quoted cell: the quote itself, or a backslash


FOUND_OUT = ReadingOptions()  # nothing is set


@dataclass(frozen=True)
class RawColumn:
    """A column and how it is stored."""

    name: str
    kind: Kind
