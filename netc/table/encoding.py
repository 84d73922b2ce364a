"""Encode the rows of a table: the preprocessing graph, run by onnxruntime on parts of the rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from netc.table.cells import Codes, Column, Numbers, Texts
from netc.table.columns.define import ColumnType, groups
from netc.table.encoded import Encoder

MOST_VALUES = 1 << 20  # float32 values to encode at a time
MOST_ROWS = 1 << 16
FEW = 1_000  # words of columns that are encoded side by side


def encode(columns: Sequence[ColumnType], cells: Mapping[str, Column], out: np.ndarray, tick: Callable[[], None]) -> None:
    """Write the encoded rows of `cells`, by column name, into `out` (N, slots). Calls `tick` between parts.

    Numbers of one type are encoded together. Texts are encoded once for each different one, which gives the same numbers.
    """
    rows, slots = out.shape
    step = max(1, min(MOST_ROWS, MOST_VALUES // max(1, slots)))
    makers = [maker for group in groups(columns) for maker in _makers([columns[k] for k in group], cells, step)]
    for start in range(0, rows, step):
        place = 0
        for maker in makers:
            part = next(maker)
            out[start : start + step, place : place + part.shape[1]] = part
            place += part.shape[1]
        tick()


def _makers(group: Sequence[ColumnType], cells: Mapping[str, Column], step: int) -> list[Iterator[np.ndarray]]:
    """Iterators over the encoded values of the columns of a group, `step` rows at a time."""
    if all(isinstance(cells[column.name], Numbers) for column in group):
        return [_numbers(group, cells, step)]
    tables = _tables([column for column in group if isinstance(cells[column.name], Codes)], cells)
    return [_gathered(tables[c.name], cells[c.name], step) if c.name in tables else _texts(c, cells[c.name], step) for c in group]


def _numbers(group: Sequence[ColumnType], cells: Mapping[str, Column], step: int) -> Iterator[np.ndarray]:
    arrays = {column.name: c.cells for column in group if isinstance(c := cells[column.name], Numbers)}
    run = Encoder(group)
    for start in range(0, len(next(iter(arrays.values()))), step):
        yield run({name: array[start : start + step] for name, array in arrays.items()})


def _texts(column: ColumnType, cells: Column, step: int) -> Iterator[np.ndarray]:
    assert isinstance(cells, Texts)
    run = Encoder((column,))
    for chunk in cells.raw.chunks({"x": cells.wanted.sql}, step):
        yield run({column.name: chunk["x"]})


def _gathered(table: np.ndarray, cells: Column, step: int) -> Iterator[np.ndarray]:
    assert isinstance(cells, Codes)
    for start in range(0, len(cells.cells), step):
        yield table[cells.cells[start : start + step]]


def _tables(columns: Sequence[ColumnType], cells: Mapping[str, Column]) -> dict[str, np.ndarray]:
    """The encoded values of all words of each column, and, in the last row, of a missing cell, whose code is -1."""
    words = {column.name: c.words for column in columns if isinstance(c := cells[column.name], Codes)}
    few = [column for column in columns if len(words[column.name]) <= FEW]
    found = dict[str, np.ndarray]()
    for some in [few] * bool(few) + [[column] for column in columns if len(words[column.name]) > FEW]:
        most = 1 + max(len(words[column.name]) for column in some)
        encoded = Encoder(some)({column.name: _filled(words[column.name], most) for column in some})
        place = 0
        for column in some:
            rows = [*range(len(words[column.name])), -1]
            found[column.name] = encoded[rows, place : place + column.slots]
            place += column.slots
    return found


def _filled(words: np.ndarray, count: int) -> np.ndarray:
    """Words, followed by missing cells."""
    filled = np.full(count, "", object)
    filled[: len(words)] = words
    return filled
