"""The graph that turns raw rows into encoded ones. Published models begin with it, and training reads rows that it has encoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, leaf
from netc.graph.leaves import InputInfo
from netc.graph.passes import simplify
from netc.graph.tensor_type import STRING, Dim
from netc.runtime.session import Session
from netc.table.columns.block import side_by_side
from netc.table.columns.define import ColumnType, groups

MOST_CELLS = 1 << 20  # of the encoded rows that are computed at once
MOST_ROWS = 1 << 14


def encoded_row(columns: Sequence[ColumnType], inputs: Sequence[Value]) -> Value:
    """Return encoded rows, float32 (N, slots), from the raw values (N,) of each column.

    Columns of one type and dtype are neighbours, see `groups`.
    """
    return side_by_side([type(columns[g[0]]).preprocess([columns[k] for k in g], [inputs[k] for k in g]) for g in groups(columns)])


def raw_dtype(column: ColumnType) -> np.dtype:
    """Return the dtype of raw values."""
    return STRING if column.dtype == "string" else np.dtype(column.dtype)


def raw_inputs(columns: Sequence[ColumnType], batch: Dim, names: Sequence[str]) -> list[Value]:
    """Return an input (N,) for the raw values of each column."""
    named = enumerate(zip(columns, names, strict=True))
    return [leaf("Input", raw_dtype(column), (batch,), info=InputInfo(name, place=k)) for k, (column, name) in named]


@dataclass(frozen=True)
class Encoder:
    """Encodes rows with onnxruntime. The result does not depend on how many rows are encoded at once."""

    columns: Sequence[ColumnType]

    @cached_property
    def session(self) -> Session:
        inputs = raw_inputs(self.columns, "N", [f"column{k}" for k in range(len(self.columns))])
        return Session(emit(simplify(Graph("columns", {"row": encoded_row(self.columns, inputs)}))))

    @property
    def slots(self) -> int:
        """The number of values in an encoded row."""
        return sum(column.slots for column in self.columns)

    def __call__(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return encoded rows, float32 (N, slots), from the raw values of each column by its name."""
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite
            feeds = {f"column{k}": values[c.name].astype(raw_dtype(c), copy=False) for k, c in enumerate(self.columns)}
        rows, step = len(feeds["column0"]), min(MOST_ROWS, max(1, MOST_CELLS // self.slots))
        found = np.empty((rows, self.slots), np.float32)
        for start in range(0, rows, step):
            part = slice(start, start + step)
            found[part] = self.session.run({name: array[part] for name, array in feeds.items()})["row"]
        return found


def encoded(columns: Sequence[ColumnType], values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return encoded rows, computed by onnxruntime."""
    return Encoder(columns)(values)
