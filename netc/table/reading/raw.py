"""A table of raw cells."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import Place
from netc.table.reading.arrays import arrays
from netc.table.reading.options import RawColumn, ReadingOptions
from netc.table.reading.store import CELLS, Store, identifier

CHUNK = 65536


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
        wanted = ", ".join(f"{sql} as {identifier(f'{k}')}" for k, sql in enumerate(select.values()))
        rest = (f" where {where}" if where else "") + (f" order by {order}" if order else "")
        with self.store.connection.cursor() as cursor:
            for chunk in arrays(cursor.sql(f"select {wanted} from {CELLS}{rest}"), rows):
                yield dict(zip(select, chunk, strict=True))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the relation `cells`, see `quoted`."""
        return self.store.sql(sql)

    def place(self, row: int, column: str) -> Place:
        """The place of a cell, as file:line:column. This may read the file again up to the row."""
        return self.find(row, column)
