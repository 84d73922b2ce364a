"""The graph that turns raw rows into encoded ones. Published models begin with it, and training reads rows that it has encoded."""

from collections.abc import Mapping, Sequence

import numpy as np

from netc.graph.emit import emit
from netc.graph.ir import Graph, Value, leaf, op
from netc.graph.tensor_type import STRING
from netc.runtime.session import Session
from netc.table.columns.define import ColumnType


def encoded_row(columns: Sequence[ColumnType], inputs: Sequence[Value]) -> Value:
    """Return encoded rows, float32 (N, slots), from the raw values (N,) of each column."""
    return op.Concat(*(column.preprocess(x) for column, x in zip(columns, inputs, strict=True)), axis=1)


def raw_dtype(column: ColumnType) -> np.dtype:
    """Return the dtype of raw values."""
    return STRING if column.dtype == "string" else np.dtype(column.dtype)


def encoded(columns: Sequence[ColumnType], values: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return encoded rows, computed by onnxruntime."""
    inputs = [leaf("Input", raw_dtype(column), ("N",), name=f"column{k}") for k, column in enumerate(columns)]
    session = Session(emit(Graph("columns", {"row": encoded_row(columns, inputs)})))
    feeds = {x.node.name: values[c.name].astype(x.dtype) for c, x in zip(columns, inputs, strict=True)}
    return session.run(feeds)["row"]
