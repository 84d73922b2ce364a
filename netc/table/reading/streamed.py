"""Rows of Python values, from a database or a spreadsheet, to typed cells: by way of a CSV file, since this is fast."""

import csv
import datetime
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from hashlib import file_digest
from pathlib import Path

from netc.errors import DataError, Place
from netc.table.reading.names import checked_names
from netc.table.reading.options import Kind, RawColumn, ReadingOptions
from netc.table.reading.part import Part
from netc.table.reading.reasons import reason
from netc.table.reading.store import SQL_TYPES, Store, literal

LONGEST = 1 << 22  # bytes of a row


def streamed(name: str, columns: Sequence[RawColumn], rows: Iterable[Sequence[object]], options: ReadingOptions, store: Store) -> Part:
    """Write rows of values to a file of the store. DataError if the names of the columns are not different."""
    checked_names(name, [column.name for column in columns])
    path = store.temporary()
    with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for row in rows:
            writer.writerow([written(value) for value in row])
    return from_csv(name, columns, path, options)


def from_csv(name: str, columns: Sequence[RawColumn], path: Path, options: ReadingOptions) -> Part:
    """The part whose cells are in a CSV file without header that this program, or a database, has written."""
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    at = {column.name: k for k, column in enumerate(columns)}
    types = ", ".join(f"'c{k}': '{SQL_TYPES[column.kind]}'" for k, column in enumerate(columns))

    def load(store: Store, wanted: Sequence[RawColumn]) -> None:
        import duckdb

        cells = ", ".join(f"c{at[column.name]}::{SQL_TYPES[column.kind]}" for column in wanted)
        relation = (
            f"read_csv({literal(str(path))}, auto_detect=false, columns={{{types}}}, header=false, delim=',', quote='\"', escape='\"',"
            f" nullstr=[''], max_line_size={LONGEST}, buffer_size={2 * LONGEST})"
        )
        try:
            store.append(f"select {cells} from {relation}")
        except duckdb.Error as error:
            raise DataError(f"{name}: A cell cannot be read: {reason(error)}") from error

    return Part(name, tuple(columns), digest, options, load, lambda row, column: Place(f"{name}, row {row + 1}"), queried=True)


def written(value: object) -> str:
    """A value as text that DuckDB reads as its type; "" for a missing one."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or (isinstance(value, Decimal) and value.is_nan()):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def kind_of_values(values: Iterable[object]) -> Kind:
    """The kind of a column with these values: whole numbers in floats are integers, and mixed kinds are text."""
    kinds: set[Kind] = set()
    for value in values:
        if value is None or value == "":
            continue
        if isinstance(value, bool):
            kinds.add("boolean")
        elif isinstance(value, int) or (isinstance(value, float) and value.is_integer() and abs(value) < 2**53):
            kinds.add("integer")
        elif isinstance(value, float):
            kinds.add("number")
        else:
            kinds.add("date" if isinstance(value, datetime.date) else "text")
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "text"
