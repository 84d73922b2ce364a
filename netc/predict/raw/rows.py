"""The rows of tables, read as a model reads them: by the names of its columns, in pieces."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from netc.errors import DataError, Diagnostic
from netc.predict.raw.columns import MISSING, InputColumn
from netc.predict.raw.values import missing_columns
from netc.table.columns.define import Cells
from netc.table.reading import ROW, RawTable, ReadingOptions, open_table
from netc.table.reading.options import FOUND_OUT
from netc.table.wrong import wrong_cells

NOTHING: Mapping[str, str] = {}
STDIN = "-"
MOST_CELLS = 1 << 20  # of a piece


@contextmanager
def opened(source: str, options: ReadingOptions = FOUND_OUT) -> Iterator[RawTable]:
    """Open a table: a file, an address, or `-` for standard input. Its temporary files go away at the end."""
    if source != STDIN:
        with open_table(source, options=options) as raw:
            yield raw
        return
    with tempfile.TemporaryDirectory(prefix="netc-") as folder:
        with (Path(folder) / "standard input").open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with open_table("standard input", Path(folder), options) as raw:
            yield raw


def cells_of(raw: RawTable, columns: Sequence[InputColumn]) -> dict[str, Cells]:
    """Return how the columns of a model are read from a table.

    DataError lists the columns that it lacks, and those with cells that cannot be read.
    """
    if raw.dialect.header is False:
        names = ", ".join(column.name for column in columns)
        text = f"{raw.name}: The first row is no header. Add one, because the model finds its columns by their names: {names}."
        raise DataError(text)
    stored = {column.name: column for column in raw.columns}
    missing = missing_columns(columns, stored, f"{raw.name}: ")
    cells = {c.name: c.cells(stored[c.name], raw.dialect) for c in columns if c.name in stored}
    wrong: list[Diagnostic] = [*missing, *wrong_cells(raw, cells)]
    if wrong:
        raise DataError(*wrong)
    return cells


def pieces(raw: RawTable, columns: Sequence[InputColumn], cells: Mapping[str, Cells]) -> Iterator[dict[str, np.ndarray]]:
    """Yield the inputs of a model for the rows of a table, some thousand rows at a time."""
    rows = max(1, MOST_CELLS // (16 * max(1, len(columns)))) * 16
    for chunk in raw.chunks({c.name: _value(c, cells[c.name]) for c in columns}, rows):
        yield {c.name: c.array(chunk[c.name]) for c in columns}


def chosen_rows(
    raw: RawTable, columns: Sequence[InputColumn], numbers: np.ndarray, extra: Mapping[str, str] = NOTHING
) -> dict[str, np.ndarray]:
    """Return the inputs of a model for the rows of these sorted numbers, and the values of the SQL expressions `extra`."""
    cells = cells_of(raw, columns)
    select = {c.name: _value(c, cells[c.name]) for c in columns} | dict(extra)
    where = f"{ROW} in ({', '.join(map(str, numbers))})" if len(numbers) < raw.rows else ""
    chunks = list(raw.chunks(select, where=where, order=ROW))
    found = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in select}
    return {c.name: c.array(found[c.name]) for c in columns} | {name: found[name] for name in extra}


def _value(column: InputColumn, cells: Cells) -> str:
    """A SQL expression for the raw values. A missing whole number has a value of its own."""
    return f"coalesce({cells.value}, {MISSING})" if column.dtype.kind == "i" else cells.value
