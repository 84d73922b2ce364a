"""The transpose of a linear map along one axis, which is how the gradients of Pad, Resize and Gather come back."""

from typing import Any

import numpy as np

from netc.graph.ir import Value, constant, op, shape_of

MOST_IN_A_MATRIX = 1 << 18  # weights of a map that is applied as a matrix product; beyond it, adding row by row is faster and smaller
Numbers = np.ndarray[Any, np.dtype[Any]]


def add_along(dy: Value, axis: int, n: int, index: Numbers, weight: Numbers | None = None) -> Value:
    """Return dx with n elements along `axis`: dx[index[i, k]] is the sum of weight[i, k] dy[i] over all i and k. Weights default to 1."""
    weight = np.ones(index.shape) if weight is None else weight
    repeats = _repeats(index, weight, n)
    if repeats:
        return _summed(dy, axis, n, repeats)
    if index.shape[0] * n <= MOST_IN_A_MATRIX:
        return by_matrix(dy, axis, matrix_of(index, weight, n).T)
    return _by_rows(dy, axis, n, index, weight)


def _repeats(index: Numbers, weight: Numbers, n: int) -> int:
    """How many times in a row each element was read, if all were read equally often and in order; else 0."""
    count, rest = divmod(index.shape[0], n) if n else (0, 1)
    plain = index.shape[1] == 1 and rest == 0 and (weight == 1).all()
    return count if plain and np.array_equal(index[:, 0], np.arange(n).repeat(count)) else 0


def _with(dy: Value, axis: int, *sizes: int) -> Value:
    """dy with other sizes in place of an axis. Their product is the size of the axis."""
    shape = (*dy.shape[:axis], *sizes, *dy.shape[axis + 1 :])
    if sum(isinstance(d, str) for d in shape) > 1:
        parts = [p for p in (_dims(dy, 0, axis), constant(list(sizes)), _dims(dy, axis + 1, dy.rank)) if p.shape != (0,)]
        return op.Reshape(dy, op.Concat(*parts, axis=0), shape=shape)
    return op.Reshape(dy, [-1 if isinstance(d, str) else int(d) for d in shape], shape=shape)


def _dims(x: Value, first: int, last: int) -> Value:
    return op.Shape(x, start=first, end=last)


def _summed(dy: Value, axis: int, n: int, count: int) -> Value:
    return dy if count == 1 else op.ReduceSum(_with(dy, axis, n, count), [axis + 1], keepdims=0)


def matrix_of(index: Numbers, weight: Numbers, n: int) -> Numbers:
    """The matrix (len(index), n) of the sums of weight[i, k] x[index[i, k]] over k."""
    matrix = np.zeros((index.shape[0], n))
    np.add.at(matrix, (np.arange(index.shape[0])[:, None], index), weight)
    return matrix


def by_matrix(dy: Value, axis: int, matrix: Numbers) -> Value:
    """The product of a matrix and each column along `axis`."""
    weights = matrix.astype(dy.dtype)
    if axis == dy.rank - 1:
        return op.MatMul(dy, constant(np.ascontiguousarray(weights.T)))
    if axis == dy.rank - 2:
        return op.MatMul(constant(weights), dy)
    order = [*(i for i in range(dy.rank) if i != axis), axis]
    return op.Transpose(by_matrix(op.Transpose(dy, perm=order), dy.rank - 1, matrix), perm=[order.index(i) for i in range(dy.rank)])


def _by_rows(dy: Value, axis: int, n: int, index: Numbers, weight: Numbers) -> Value:
    """The axis comes first, so that whole rows are added."""
    perm = [axis, *(i for i in range(dy.rank) if i != axis)]
    rows = op.Transpose(dy, perm=perm)
    dx = op.Expand(constant(0, dy.dtype), _size(rows, n), shape=(n, *rows.shape[1:]))
    for place, by in zip(index.T, weight.T, strict=True):
        scaled = rows if (by == 1).all() else rows * constant(by.astype(dy.dtype).reshape(-1, *[1] * (dy.rank - 1)))
        dx = op.ScatterND(dx, constant(place.astype(np.int64)[:, None]), scaled, reduction="add")
    return op.Transpose(dx, perm=[perm.index(i) for i in range(dy.rank)])


def _size(rows: Value, n: int) -> list[int] | Value:
    known = shape_of(rows)
    return op.Concat(constant([n]), op.Shape(rows, start=1), axis=0) if isinstance(known, Value) else [n, *known[1:]]
