"""Write rows to files with DuckDB."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from netc.table.reading.store import Store, identifier, literal

TYPES = {"f4": "FLOAT", "f8": "DOUBLE", "i8": "BIGINT", "i4": "INTEGER", "b1": "BOOLEAN", "O8": "VARCHAR"}


def create(store: Store, relation: str, columns: Mapping[str, np.ndarray]) -> list[str]:
    """Create an empty relation whose columns "0", "1" and so on have the types of arrays. Returns these types."""
    types = [TYPES[f"{array.dtype.kind}{array.dtype.itemsize}"] for array in columns.values()]
    described = ", ".join(f'"{k}" {kind}' for k, kind in enumerate(types))
    store.sql(f"create table {relation} ({described})")
    return types


def append(store: Store, relation: str, columns: Mapping[str, np.ndarray]) -> None:
    """Add rows to a relation."""
    with store.connection.cursor() as cursor:
        cursor.register("rows", {str(k): np.ascontiguousarray(array) for k, array in enumerate(columns.values())})
        cursor.execute(f"insert into {relation} select * from rows")


def copied(query: str, path: Path, options: str) -> str:
    """Return the SQL that writes the rows of a query to a file."""
    return f"copy ({query}) to {literal(str(path))} ({options})"


def parquet(columns: Mapping[str, np.ndarray]) -> bytes:
    """Return a Parquet file with columns of equal length."""
    store = Store()
    create(store, "made", columns)
    append(store, "made", columns)
    names = ", ".join(f'"{k}" as {identifier(name)}' for k, name in enumerate(columns))
    with tempfile.TemporaryDirectory(prefix="netc-") as folder:
        path = Path(folder) / "made.parquet"
        store.sql(copied(f"select {names} from made", path, "format parquet"))
        return path.read_bytes()
