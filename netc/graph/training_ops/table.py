"""Rows of a table (rows, width), looked up by index."""

import numpy as np

from netc.graph.ir import Value, constant, op, zeros
from netc.graph.training_ops.define import CPU, body, training_op

MOST_ONE_HOT_ROWS = 512  # for a larger table, adding the gradient row by row is faster


@training_op("Embed")
def embed(table: Value, indices: Value) -> Value:
    """The row of each index, on a new last axis."""
    return op.Gather(table, indices, axis=0)


@training_op("EmbedGrad")
def embed_grad(indices: Value, dy: Value, *, rows: int) -> Value:
    """The gradient with respect to the table: each dy is added to its row."""
    width = int(dy.shape[-1])
    return op.ScatterND(zeros([rows, width]), op.Unsqueeze(_flat(indices, 1), [1]), _flat(dy, 2), reduction="add")


@body("EmbedGrad", CPU)
def embed_grad_cpu(indices: Value, dy: Value, *, rows: int) -> Value | None:
    """For few rows: one Gemm with the indices as one-hot vectors, which adds in parallel."""
    if rows > MOST_ONE_HOT_ROWS:
        return None
    levels = constant(np.array([0, 1], np.float32))
    hot = op.OneHot(_flat(indices, 1), constant(rows), levels, axis=0)
    return op.Gemm(hot, _flat(dy, 2))


def _flat(x: Value, rank: int) -> Value:
    """x with its first axes merged into one, so that it has rank `rank`. If it has that rank already, its sizes may be unknown."""
    return x if x.rank == rank else op.Reshape(x, [-1, *x.shape[x.rank - rank + 1 :]])
