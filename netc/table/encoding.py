"""Encode the rows of a table: the preprocessing graph, run by onnxruntime on parts of the rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from netc.graph.emit import emit
from netc.graph.ir import Graph, leaf
from netc.runtime.session import Session
from netc.table.cells import Codes, Column, Numbers, Texts
from netc.table.columns import define
from netc.table.columns.define import ColumnType
from netc.table.encoded import encoded_row, raw_dtype

MOST_VALUES = 1 << 20  # float32 values to encode at a time
MOST_ROWS = 1 << 16

Encoder = Callable[[Mapping[str, np.ndarray]], np.ndarray]


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


def groups(columns: Sequence[ColumnType]) -> list[list[int]]:
    """The columns that are neighbours in an encoded row."""
    found: list[list[int]] = getattr(define, "groups", lambda every: [[k] for k in range(len(every))])(columns)
    return found


def _makers(group: Sequence[ColumnType], cells: Mapping[str, Column], step: int) -> list[Iterator[np.ndarray]]:
    """Iterators over the encoded values of the columns of a group, `step` rows at a time."""
    if all(isinstance(cells[column.name], Numbers) for column in group):
        return [_numbers(group, cells, step)]
    return [_texts(column, cells[column.name], step) for column in group]


def _numbers(group: Sequence[ColumnType], cells: Mapping[str, Column], step: int) -> Iterator[np.ndarray]:
    arrays = {column.name: c.cells for column in group if isinstance(c := cells[column.name], Numbers)}
    run = encoder(group)
    for start in range(0, len(next(iter(arrays.values()))), step):
        yield run({name: array[start : start + step] for name, array in arrays.items()})


def _texts(column: ColumnType, cells: Column, step: int) -> Iterator[np.ndarray]:
    run = encoder((column,))
    if isinstance(cells, Texts):
        for chunk in cells.raw.chunks({"x": cells.wanted.sql}, step):
            yield run({column.name: chunk["x"]})
    elif isinstance(cells, Codes):
        words = np.append(cells.words, "")  # the last one is that of missing cells, whose code is -1
        table = np.empty((len(words), column.slots), np.float32)
        for start in range(0, len(words), step):
            table[start : start + step] = run({column.name: words[start : start + step]})
        for start in range(0, len(cells.cells), step):
            yield table[cells.cells[start : start + step]]


def encoder(columns: Sequence[ColumnType]) -> Encoder:
    """A function from raw values by column name to encoded rows."""
    inputs = [leaf("Input", raw_dtype(column), ("N",), name=f"column{k}") for k, column in enumerate(columns)]
    session = Session(emit(Graph("columns", {"row": encoded_row(columns, inputs)})))

    def run(values: Mapping[str, np.ndarray]) -> np.ndarray:
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite
            feeds = {x.node.name: values[c.name].astype(x.dtype) for c, x in zip(columns, inputs, strict=True)}
        return session.run(feeds)["row"]

    return run
