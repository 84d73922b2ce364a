"""Parquet files to rows of raw cells."""

from hashlib import file_digest
from pathlib import Path

from netc.errors import DataError, Place
from netc.table.reading.cells import cleaned, nulled
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.raw import RawTable
from netc.table.reading.store import CELLS, Store, identifier, literal, quoted
from netc.table.reading.types import kind_of, sql_of


def read_parquet(path: Path, name: str, options: ReadingOptions) -> RawTable:
    """Read a Parquet file."""
    store = Store()
    relation = f"read_parquet({literal(str(path))})"
    described = store.sql(f"describe select * from {relation}")
    columns, wanted, wrong = [], [], []
    for column, stored, *_ in described:
        kind = kind_of(stored)
        if kind is None:
            wrong.append(f"{name}: Column {column!r} has cells of the type {stored}. Expected texts, numbers, dates or booleans.")
            continue
        columns.append(RawColumn(column, kind))
        cell = f"{identifier(column)}::{sql_of(kind)}"
        wanted.append(f"{cleaned(nulled(cell, options.missing), options.missing) if kind == 'text' else cell} as {quoted(column)}")
    if wrong:
        raise DataError(*wrong)
    store.sql(f"create table {CELLS} as select {', '.join(wanted)} from {relation}")
    ((rows,),) = store.sql(f"select count(*) from {CELLS}")
    if not rows:
        raise DataError(f"{name}: There are no rows.")
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return RawTable(name, tuple(columns), rows, digest, options, store, lambda row, column: Place(name))
