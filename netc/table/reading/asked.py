"""SQL over the rows of files: `query: select age, income from cells where age <> ''`."""

from collections.abc import Sequence
from hashlib import sha256

from netc.errors import DataError, Place
from netc.table.reading.columnar import columns_of
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.part import Part
from netc.table.reading.raw import RawTable
from netc.table.reading.reasons import reason
from netc.table.reading.store import CELLS, SQL_TYPES, STORED, Store, identifier, quoted

RESULT = "result"


def query_part(table: RawTable, options: ReadingOptions) -> Part:
    """The result of `options.query`, which sees the relation `cells` with the names of the table, and no files.

    The relation of the table is gone afterwards. DataError if the query fails.
    """
    import duckdb

    store, query = table.store, options.query.strip().rstrip(";")
    names = [quoted(column.name) for column in table.columns]
    shown = ", ".join(f"{name} as {identifier(column.name)}" for name, column in zip(names, table.columns, strict=True))
    try:
        store.sql(f"create view {CELLS} as select {shown} from {store.cells(names)}")
        store.sql("set enable_external_access = false")
        store.sql(f"create table {RESULT} as ({query}\n)")
        store.sql(f"drop view {CELLS}; drop table {STORED}")
    except duckdb.Error as error:
        raise DataError(f"{table.name}: The query failed: {reason(error)}.") from error
    columns = columns_of(table.name, RESULT, store)

    def load(store: Store, wanted: Sequence[RawColumn]) -> None:
        cells = ", ".join(f"{identifier(column.name)}::{SQL_TYPES[column.kind]}" for column in wanted)
        store.append(f"select {cells} from {RESULT}")
        store.sql(f"drop table {RESULT}")

    digest = sha256(f"{table.sha256} {query}".encode()).hexdigest()
    return Part(table.name, columns, digest, options, load, lambda row, column: Place(f"{table.name}, row {row + 1} of the query"))
