"""A table of raw cells."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import Place
from netc.table.reading.arrays import arrays
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.store import CELLS, ROW, Store, identifier

CHUNK = 65536
FROM_CELLS = re.compile(rf"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?P<from>\bfrom {CELLS}\b)")  # not in quotes
AT_ONCE = 100  # columns of a query: DuckDB's time to plan it grows with the square, and each takes half a megabyte


@dataclass(frozen=True, eq=False)
class RawTable:
    """The rows of a table, with raw cells. A context manager; without `with`, its files go away with the object.

    `name` is for messages. `sha256` is that of the content. `dialect` has what was found out about a text file.
    """

    name: str
    columns: tuple[RawColumn, ...]
    rows: int
    sha256: str
    dialect: ReadingOptions
    store: Store
    find: Callable[[int, str], Place]

    def __enter__(self) -> "RawTable":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary files."""
        self.store.close()

    def chunks(
        self, select: Mapping[str, str], rows: int = CHUNK, where: str = "", order: str = "",
    ) -> Iterator[dict[str, np.ndarray]]:  # fmt: skip
        """Yield at most `rows` rows at a time, in the order of the file or by the SQL of `order`, where the SQL of
        `where` is true: an array for each name in `select`.

        `select` gives SQL expressions. BIGINT and INTEGER become int64 or int32, DOUBLE and FLOAT float64 or float32 with NaN for
        NULL, BOOLEAN bool, TIMESTAMP datetime64[us], VARCHAR an array of str with "" for NULL. An ENUM becomes its codes, -1 for NULL.
        """
        rest = (f" where {where}" if where else "") + (f" order by {order}, {ROW}" if order else "")
        streamed = self._streamed if len(select) <= AT_ONCE else self._in_groups
        for chunk in streamed(list(select.values()), rows, rest):
            yield dict(zip(select, chunk, strict=True))

    def _streamed(self, select: Sequence[str], rows: int, rest: str) -> Iterator[list[np.ndarray]]:
        """The chunks of one query."""
        with self.store.connection.cursor() as cursor:
            yield from arrays(cursor.sql(f"select {_listed(select)} from {self._cells(*select, rest)}{rest}"), rows)

    def _in_groups(self, select: Sequence[str], rows: int, rest: str) -> Iterator[list[np.ndarray]]:
        """The chunks of many columns: of the numbers of the rows, and then of some columns at a time."""
        groups = [select[start : start + AT_ONCE] for start in range(0, len(select), AT_ONCE)]
        with self.store.connection.cursor() as cursor:
            cursor.execute(f"create temp table chosen as select {ROW} as row from {self._cells(rest)}{rest}")
            ((count,),) = cursor.execute("select count(*) from chosen").fetchall()
            for start in range(0, count, rows):
                some = f'(select row as "#row", rowid as "#at" from chosen where rowid >= {start} and rowid < {start + rows}) as picked'
                chunk: list[np.ndarray] = []
                for group in groups:
                    joined = f'{self._cells(*group)} join {some} on {CELLS}.{ROW} = picked."#row" order by picked."#at"'
                    pieces = list(arrays(cursor.sql(f"select {_listed(group)} from {joined}"), rows))
                    chunk += [np.concatenate(column) for column in zip(*pieces, strict=True)]
                yield chunk

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the relation `cells`, see `quoted`."""
        relation = f"from {self._cells(sql)}"
        return self.store.sql(FROM_CELLS.sub(lambda found: relation if found["from"] else found[0], sql))

    def _cells(self, *expressions: str) -> str:
        return f"{self.store.cells(expressions)} as {CELLS}"

    def place(self, row: int, column: str) -> Place:
        """The place of a cell, as file:line:column. This may read the file again up to the row."""
        return self.find(row, column)


def _listed(select: Sequence[str]) -> str:
    return ", ".join(f"{sql} as {identifier(f'{k}')}" for k, sql in enumerate(select))
