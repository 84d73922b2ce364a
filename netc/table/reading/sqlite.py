"""SQLite files, through the standard library."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from netc.errors import DataError
from netc.table.reading.addresses import Address
from netc.table.reading.options import Kind, RawColumn, ReadingOptions
from netc.table.reading.part import Part, PlainFile
from netc.table.reading.queries import query_for
from netc.table.reading.store import Store
from netc.table.reading.streamed import streamed

PATIENCE = 10.0  # seconds to wait for another program that writes to the file
BATCH = 10_000  # rows


def read_sqlite(address: Address, base: Path, options: ReadingOptions, store: Store) -> Part:
    """Read the rows of a query from `sqlite:///file.db`, a path that may be relative to `base`."""
    path = base / address.path
    if not path.is_file():
        raise DataError(f"{address.name}: There is no file {path}.")
    return _read(PlainFile(path, address.name), address.settings.get("table", ""), options, store)


def read_sqlite_file(file: PlainFile, options: ReadingOptions, store: Store) -> Part:
    """Read the rows of a query from an SQLite file."""
    return _read(file, "", options, store)


def _read(file: PlainFile, table: str, options: ReadingOptions, store: Store) -> Part:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file.path.resolve()))}?mode=ro", uri=True, timeout=PATIENCE)) as connection:
            connection.execute("begin")  # both passes see the same rows
            names = "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%' order by name"
            query = query_for(file.name, options.query, table, [name for (name,) in connection.execute(names)], '"')
            columns = _columns(file.name, connection, query)
            return streamed(file.name, columns, _rows(connection.execute(query)), options, store)
    except sqlite3.Error as error:
        raise DataError(f"{file.name}: The query failed: {error}.") from error
    except sqlite3.Warning as error:  # in Python 3.11, several statements in one query
        raise DataError(f"{file.name}: The query failed: {error}") from error


def _columns(name: str, connection: sqlite3.Connection, query: str) -> list[RawColumn]:
    """The columns of a query. A column of SQLite may have cells of several types; numbers among texts become texts."""
    names = [column[0] for column in connection.execute(f"select * from ({query}) limit 0").description]
    if not names:
        raise DataError(f"{name}: The query returns no columns.")
    places = [f"c{k}" for k in range(len(names))]
    counts = ", ".join(f"count(*) filter (where typeof({c}) = '{t}')" for c in places for t in ("text", "real", "integer", "blob"))
    found = connection.execute(f"with cells({', '.join(places)}) as (select * from ({query})) select {counts} from cells").fetchone()
    kinds = [_kind(*found[4 * k : 4 * k + 3]) for k in range(len(names))]
    wrong = [f"{name}: Column {n!r} has binary cells. Expected texts and numbers." for k, n in enumerate(names) if found[4 * k + 3]]
    if wrong:
        raise DataError(*wrong)
    return [RawColumn(column, kind) for column, kind in zip(names, kinds, strict=True)]


def _kind(texts: int, reals: int, integers: int) -> Kind:
    if texts or not reals + integers:
        return "text"
    return "number" if reals else "integer"


def _rows(cursor: sqlite3.Cursor) -> Iterator[Sequence[object]]:
    while rows := cursor.fetchmany(BATCH):
        yield from rows
