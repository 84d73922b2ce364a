"""Crops a blob to the size of another, which may be known only at run time, and splits a blob into parts."""

from collections.abc import Sequence
from typing import Any

from netc.graph.ir import Value, constant, op
from netc.graph.tensor_type import Dim
from netc.graph.training_ops.define import training_op

MOST_PARTS = 9  # outputs of one Split: WebGPU binds at most ten buffers, including the input


@training_op("Crop")
def crop(x: Value, like: Value, *, axis: int, offset: list[int]) -> Value:
    """The part of x that starts at `offset` and has the sizes of `like`, in `axis` and the axes after it."""
    axes, sizes = list(range(axis, x.rank)), like.shape[axis:]
    if all(isinstance(d, int) for d in sizes):
        return op.Slice(x, offset, [o + int(d) for o, d in zip(offset, sizes, strict=True)], axes)
    end = op.Shape(like, start=axis) + constant(offset)
    return op.Slice(x, offset, end, axes, shape=(*x.shape[:axis], *sizes))


def split(x: Value, sizes: Sequence[int], axis: int) -> tuple[Value, ...]:
    """The parts of these sizes along an axis: one Split, or nested Splits if there are many parts."""
    if len(sizes) <= MOST_PARTS:
        return tuple(op.Split(x, list(sizes), axis=axis, outputs=len(sizes))) if len(sizes) > 1 else (x,)
    groups = _groups(sizes)
    wholes = split(x, [sum(g) for g in groups], axis)
    return tuple(part for whole, group in zip(wholes, groups, strict=True) for part in split(whole, group, axis))


def split_rows(x: Value, sizes: Value, names: Sequence[Dim]) -> tuple[Value, ...]:
    """The rows in parts whose sizes are known only at run time. `names` are the names of these sizes."""
    count, rest = len(names), x.shape[1:]
    if count <= MOST_PARTS:
        return tuple(op.Split(x, sizes, axis=0, outputs=count, shapes=[(name, *rest) for name in names])) if count > 1 else (x,)
    groups = _groups(names)
    parts = split(sizes, [len(g) for g in groups], 0)
    sums = op.Concat(*(op.ReduceSum(p, [0]) for p in parts), axis=0)
    wholes = split_rows(x, sums, [f"{g[0]}_and_more" for g in groups])
    return tuple(part for whole, size, group in zip(wholes, parts, groups, strict=True) for part in split_rows(whole, size, group))


def _groups(items: Sequence[Any]) -> list[Sequence[Any]]:
    """The smallest number of groups with at most MOST_PARTS items each, of about equal length."""
    count = -(-len(items) // MOST_PARTS)
    ends = [len(items) * k // count for k in range(count + 1)]
    return [items[a:b] for a, b in zip(ends, ends[1:], strict=False)]
