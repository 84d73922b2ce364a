"""Encode the rows of a table: the preprocessing graph, run by onnxruntime on parts of the rows."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from netc.table.cells import Codes, Column, Numbers, Texts
from netc.table.columns.define import ColumnType
from netc.table.encoded import Encoder

MOST_VALUES = 1 << 21  # float32 values to encode at a time


def encode(columns: Sequence[ColumnType], cells: Mapping[str, Column], out: np.ndarray) -> None:
    """Write the encoded rows of `cells`, by column name, into `out` (N, slots).

    Texts are encoded once for each different one, which gives the same numbers as encoding each row.
    """
    rows, slots = out.shape
    step = max(1, min(1 << 16, MOST_VALUES // max(1, slots)))
    makers = [_parts(column, cells[column.name], step) for column in columns]
    for start in range(0, rows, step):
        place = 0
        for column, maker in zip(columns, makers, strict=True):
            out[start : start + step, place : place + column.slots] = next(maker)
            place += column.slots


def _parts(column: ColumnType, cells: Column, step: int) -> Iterator[np.ndarray]:
    """Yield the encoded values of a column for `step` rows at a time."""
    encoder = Encoder((column,))
    if isinstance(cells, Texts):
        for chunk in cells.raw.chunks({"x": cells.wanted.sql}, step):
            yield encoder({column.name: chunk["x"]})
        return
    if isinstance(cells, Numbers):
        for start in range(0, len(cells.cells), step):
            yield encoder({column.name: cells.cells[start : start + step]})
        return
    yield from _gathered(encoder, column, cells, step)


def _gathered(encoder: Encoder, column: ColumnType, cells: Codes, step: int) -> Iterator[np.ndarray]:
    words = np.append(cells.words, "")  # the last one is that of missing cells, whose code is -1
    table = np.empty((len(words), column.slots), np.float32)
    for start in range(0, len(words), step):
        table[start : start + step] = encoder({column.name: words[start : start + step]})
    for start in range(0, len(cells.cells), step):
        yield table[cells.cells[start : start + step]]
