"""Blocks: the values of several columns as one matrix (N, columns)."""

from collections.abc import Sequence

import numpy as np

from netc.graph.ir import Value, constant, op


def end_to_end(inputs: Sequence[Value]) -> Value:
    """Return the values (N,) of D columns, one column after the other: (D N,)."""
    if len(inputs) == 1:
        return inputs[0]
    rows = inputs[0].shape[0]
    length = rows * len(inputs) if isinstance(rows, int) else f"{len(inputs)}{rows}"
    return op.Concat(*inputs, axis=0, shape=(length,))


def matrix(values: Value, columns: int, rows: int | str) -> Value:
    """Return the result of `end_to_end` as a matrix (D, N)."""
    return op.Unsqueeze(values, [0]) if columns == 1 else op.Reshape(values, [columns, -1], shape=(columns, rows))


def block(values: Value, columns: int, rows: int | str) -> Value:
    """Return the result of `end_to_end` as a matrix (N, D)."""
    return op.Unsqueeze(values, [1]) if columns == 1 else op.Transpose(matrix(values, columns, rows), perm=[1, 0])


def taken(x: Value, columns: Sequence[int] | np.ndarray) -> Value:
    """Return some columns of a matrix (N, D); the matrix itself if they are all in order."""
    chosen = np.asarray(columns, np.int64)
    return x if np.array_equal(chosen, np.arange(int(x.shape[1]))) else op.Gather(x, constant(chosen), axis=1)


def side_by_side(parts: Sequence[Value]) -> Value:
    """Return matrices (N, width) as one."""
    return parts[0] if len(parts) == 1 else op.Concat(*parts, axis=1)
