"""A private DuckDB database in a temporary folder: bounded memory, no extensions, no traces.

Names of columns are case-sensitive in netc, and not in DuckDB: `quoted` makes identifiers that differ.
"""

import os
import re
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netc.files import locked
from netc.table.reading.options import Kind, RawColumn

if TYPE_CHECKING:
    import duckdb

MEMORY, WIDTH = 200, 0.1  # megabytes: for all tables, and for each column

CELLS, ROW, STORED = "cells", "rowid", "stored"  # the relation of a table, the number of a row, and the table behind it
IDENTIFIER = re.compile(r'"(?:[^"]|"")*"')
SQL_TYPES: dict[Kind, str] = {"text": "VARCHAR", "number": "DOUBLE", "integer": "BIGINT", "boolean": "BOOLEAN", "date": "TIMESTAMP"}
# What is shown of a cell that is no text: NaN, and dates that are infinite, are missing.
SHOWN: dict[Kind, str] = {"number": "case when not isnan({0}) then {0} end", "date": "case when isfinite({0}) then {0} end",
                          "integer": "{0}", "boolean": "{0}"}  # fmt: skip
PREFIX, LOCK = "netc-cells-", ".lock"


def quoted(name: str) -> str:
    """The SQL identifier of a column."""
    return identifier(f"{name}#{sum(1 << at for at, letter in enumerate(name) if letter != letter.lower()):x}")


def stored(name: str) -> str:
    """The SQL identifier of a column as it is stored: with spaces around texts, and texts that mean a missing cell."""
    return quoted(name)[:-1] + '#stored"'


def identifier(name: str) -> str:
    """A name in quotes, for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in quotes, for SQL."""
    return "'" + text.replace("'", "''") + "'"


class Store:
    """A DuckDB connection and its folder. Both go away with the object, at the latest when the process ends."""

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        remove_orphans(parent)
        self.folder = parent / f"{PREFIX}{secrets.token_hex(8)}"
        held = locked(lock_of(self.folder), keep=False)  # before there is a folder, so that nobody takes it for an orphan
        held.__enter__()
        self.folder.mkdir(mode=0o700)
        self.connection = _connect(self.folder)
        self._numbers = count()
        self._columns: dict[str, str] = {}  # the identifiers of columns, and what they stand for
        self.close = weakref.finalize(self, _remove, self.connection, held, self.folder, os.getpid())

    def temporary(self) -> Path:
        """The path of a file that does not exist yet."""
        return self.folder / f"file{next(self._numbers)}"

    def create(self, columns: Sequence[RawColumn], clean: Callable[[str], str]) -> None:
        """Create the relation `cells`, which has the cells as they are stored and as they are shown: texts are clean."""
        self.sql(f"set memory_limit = '{MEMORY + WIDTH * len(columns)}MB'")
        self._columns = {}
        for k, column in enumerate(columns):
            shown = clean(f"c{k}") if column.kind == "text" else SHOWN[column.kind].format(f"c{k}")
            self._columns |= {quoted(column.name): shown, stored(column.name): f"c{k}"}
        self.sql(f"create table {STORED} ({', '.join(f'c{k} {SQL_TYPES[column.kind]}' for k, column in enumerate(columns))})")

    def append(self, select: str) -> None:
        """Append the rows of a query to `cells`."""
        self.sql(f"insert into {STORED} {select}")

    def cells(self, expressions: Iterable[str]) -> str:
        """The relation `cells` with the columns that SQL expressions name: a view of all columns takes long to plan if there are many."""
        named = {name for sql in expressions for name in IDENTIFIER.findall(sql)}
        shown = (f"{sql} as {name}" for name, sql in self._columns.items() if name in named)
        return f"(select {', '.join((ROW, *shown))} from {STORED})"

    @contextmanager
    def undoing(self) -> Iterator[Callable[[], None]]:
        """Yield a function that undoes what is appended in the context."""
        self.sql("begin transaction")
        end = ["commit"]
        try:
            yield lambda: end.__setitem__(0, "rollback")
        except BaseException:
            end[0] = "rollback"
            raise
        finally:
            self.sql(end[0])

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives."""
        return self.connection.execute(query).fetchall()


def _connect(folder: Path) -> "duckdb.DuckDBPyConnection":
    import duckdb

    return duckdb.connect(
        ":memory:",  # it moves to temp_directory what does not fit; a database in a file takes twice the time to write
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": f"{MEMORY}MB",
            "temp_directory": str(folder / "spill"),
            "threads": str(cores()),
            "preserve_insertion_order": "true",
        },
    )


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _remove(connection: "duckdb.DuckDBPyConnection", held: Any, folder: Path, owner: int) -> None:
    if os.getpid() != owner:  # a copy of the process, which ends first
        return
    connection.close()
    shutil.rmtree(folder, ignore_errors=True)
    held.__exit__(None, None, None)


def lock_of(folder: Path) -> Path:
    """The file that a process locks as long as it uses a folder."""
    return folder.with_name(folder.name + LOCK)


def remove_orphans(directory: Path) -> None:
    """Remove the folders of processes that were killed."""
    for lock in directory.glob(f"{PREFIX}*{LOCK}"):
        with suppress(OSError), locked(lock, wait=False, keep=False) as alone:  # OSError: it is in use, or another user's
            if alone:
                shutil.rmtree(str(lock).removesuffix(LOCK), ignore_errors=True)
