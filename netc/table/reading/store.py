"""A private DuckDB database in a temporary folder: bounded memory, no extensions, no traces.

Names of columns are case-sensitive in netc, and not in DuckDB: `quoted` makes identifiers that differ.
"""

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netc.files import locked

if TYPE_CHECKING:
    import duckdb

MEMORY = "200MB"
CELLS, ROW = "cells", "rowid"  # the relation of a table, and the number of a row
PREFIX, LOCK = "netc-table-", "lock"


def quoted(name: str) -> str:
    """The SQL identifier of a column."""
    return identifier(f"{name}#{sum(1 << at for at, letter in enumerate(name) if letter != letter.lower()):x}")


def identifier(name: str) -> str:
    """A name in quotes, for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in quotes, for SQL."""
    return "'" + text.replace("'", "''") + "'"


class Store:
    """A DuckDB connection and its folder. Both go away with the object, at the latest when the process ends."""

    def __init__(self) -> None:
        remove_orphans(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        held = locked(self.folder / LOCK, wait=False)
        held.__enter__()
        self.connection = _connect(self.folder)
        self.close = weakref.finalize(self, _remove, self.connection, held, self.folder)

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        return self.connection.execute(query).fetchall()


def _connect(folder: Path) -> "duckdb.DuckDBPyConnection":
    import duckdb

    return duckdb.connect(
        str(folder / "table.duckdb"),
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": MEMORY,
            "temp_directory": str(folder / "spill"),
            "threads": str(cores()),
            "preserve_insertion_order": "true",
        },
    )


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _remove(connection: "duckdb.DuckDBPyConnection", held: Any, folder: Path) -> None:
    connection.close()
    held.__exit__(None, None, None)
    shutil.rmtree(folder, ignore_errors=True)


def remove_orphans(directory: Path) -> None:
    """Remove the folders of processes that were killed."""
    for folder in directory.glob(PREFIX + "*"):
        try:
            with locked(folder / LOCK, wait=False) as alone:
                if alone:
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use, or another user's
            continue
