"""A table of raw cells."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np

from netc.errors import Place
from netc.table.reading.arrays import arrays
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.store import CELLS, ROW, Store, identifier

CHUNK = 65536
FROM_CELLS = re.compile(rf"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(?P<from>\bfrom {CELLS}\b)")  # not in quotes
AT_ONCE = 100  # columns of a query: DuckDB's time to plan it grows with the square


def batched(values: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """Yield tuples of at most `size` values."""
    remaining = iter(values)
    while some := tuple(islice(remaining, size)):
        yield some


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
        names, parts = list(select), list(batched(select.values(), AT_ONCE)) or [()]
        with ExitStack() as stack:
            cursors = [stack.enter_context(self.store.connection.cursor()) for _ in parts]
            wanted = [", ".join(f"{sql} as {identifier(f'{k}')}" for k, sql in enumerate(part)) for part in parts]
            streams = [
                arrays(cursor.sql(f"select {some} from {self._cells(some, rest)}{rest}"), rows)
                for cursor, some in zip(cursors, wanted, strict=True)
            ]
            for found in zip(*streams, strict=True):
                yield dict(zip(names, chain.from_iterable(found), strict=True))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the relation `cells`, see `quoted`."""
        relation = f"from {self._cells(sql)}"
        return self.store.sql(FROM_CELLS.sub(lambda found: relation if found["from"] else found[0], sql))

    def _cells(self, *expressions: str) -> str:
        return f"{self.store.cells(expressions)} as {CELLS}"

    def place(self, row: int, column: str) -> Place:
        """The place of a cell, as file:line:column. This may read the file again up to the row."""
        return self.find(row, column)
