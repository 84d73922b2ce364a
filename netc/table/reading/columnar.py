"""Parquet and Arrow files, whose columns have types."""

from collections.abc import Sequence
from hashlib import file_digest

from netc.errors import DataError, Place
from netc.table.reading.names import checked_names
from netc.table.reading.options import Kind, RawColumn, ReadingOptions
from netc.table.reading.part import Part, PlainFile
from netc.table.reading.reasons import reason
from netc.table.reading.store import SQL_TYPES, Store, identifier, literal

KINDS: dict[str, Kind] = {
    "VARCHAR": "text", "ENUM": "text", "UUID": "text", "TIME": "text", "NULL": "text",
    "DOUBLE": "number", "FLOAT": "number", "DECIMAL": "number", "HUGEINT": "number", "UHUGEINT": "number", "UBIGINT": "number",
    "BIGINT": "integer", "INTEGER": "integer", "SMALLINT": "integer", "TINYINT": "integer", "UINTEGER": "integer",
    "USMALLINT": "integer", "UTINYINT": "integer",
    "BOOLEAN": "boolean",
    "DATE": "date", "TIMESTAMP": "date", "TIMESTAMP_S": "date", "TIMESTAMP_MS": "date", "TIMESTAMP_NS": "date",
    "TIMESTAMP WITH TIME ZONE": "date",
}  # fmt: skip
ARROW_FILE = b"ARROW1"  # the begin of an Arrow file: eight bytes before a stream


def read_parquet(file: PlainFile, options: ReadingOptions, store: Store) -> Part:
    """Read the columns of a Parquet file."""
    return _part(file, f"read_parquet({literal(str(file.path))})", options, store)


def read_arrow(file: PlainFile, options: ReadingOptions, store: Store) -> Part:
    """Read the columns of an Arrow file or stream (Feather, version 2)."""
    import nanoarrow

    table = file.path.name if file.path.parent == store.folder else store.temporary().name
    try:
        with file.path.open("rb") as stream:
            stream.seek(8 if stream.read(len(ARROW_FILE)) == ARROW_FILE else 0)
            arrow = nanoarrow.ArrayStream.from_readable(stream)
            store.connection.from_arrow(arrow).create(table)
    except Exception as error:  # NanoarrowException and duckdb.Error have no base of their own in common
        raise DataError(f"{file.name}: The Arrow file is damaged, or has cells of an unknown type ({reason(error)}).") from error
    return _part(file, table, options, store)


def _part(file: PlainFile, relation: str, options: ReadingOptions, store: Store) -> Part:
    """The columns of a relation of DuckDB, which has the cells of a file."""
    import duckdb

    with file.path.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    try:
        columns = columns_of(file.name, relation, store)
    except duckdb.Error as error:
        raise DataError(f"{file.name}: {_reason(error)}") from error

    def load(store: Store, wanted: Sequence[RawColumn]) -> None:
        cells = ", ".join(f"{identifier(column.name)}::{SQL_TYPES[column.kind]}" for column in wanted)
        try:
            store.append(f"select {cells} from {relation}")
        except duckdb.Error as error:
            raise DataError(f"{file.name}: {_reason(error)}") from error

    return Part(file.name, columns, digest, options, load, lambda row, column: Place(f"{file.name}, row {row + 1}"))


def columns_of(name: str, relation: str, store: Store) -> tuple[RawColumn, ...]:
    """The columns of a relation of DuckDB. DataError lists those whose cells are not single values."""
    described = [(column, stored, kind_of(stored)) for column, stored, *_ in store.sql(f"describe select * from {relation}")]
    wrong = [f"{name}: Column {column!r} has cells of the type {stored}. Expected texts, numbers, dates or booleans."
             for column, stored, kind in described if kind is None]  # fmt: skip
    if wrong:
        raise DataError(*wrong)
    checked_names(name, [column for column, *_ in described])
    return tuple(RawColumn(column, kind) for column, _, kind in described if kind is not None)


def _reason(error: Exception) -> str:
    return f"The file is damaged, or a cell cannot be read ({reason(error)})."


def kind_of(stored: str) -> Kind | None:
    """The kind of a column of a DuckDB type; None if its cells are not single values."""
    return None if stored.endswith("]") else KINDS.get(stored.split("(")[0].strip('"'))
