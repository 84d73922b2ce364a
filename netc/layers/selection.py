"""Layers that select rows or elements by the values of other blobs, and layers that reduce axes."""

from collections.abc import Sequence
from math import inf

import numpy as np

from netc.graph.ir import Value, cast, op, stop
from netc.layers.context import Context, dims, sizes
from netc.layers.domain import Domain, Reads
from netc.layers.shape import axis_of, merged, reshape
from netc.net.model import Layer
from netc.registry import layer


def _rows(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> Domain:
    rows = bottoms[0].shape[0]
    return Domain(0, rows - 1 if isinstance(rows, int) else inf, why=f"{layer.bottoms[0]} has {rows} rows")


@layer("BatchReindex", stem="reindex", bottoms=(2, 2), in_place=False, reads=Reads(1, _rows))
def batch_reindex(ctx: Context, x: Value, index: Value) -> Value:
    """Selects rows: row i of the top is row index[i] of the first bottom. No gradient flows to the index.

    A row may be selected several times or never.
    """
    if index.rank != 1:
        text = f"{ctx.layer.bottoms[1]} has row numbers and must have 1 axis, but it is {dims(index.shape)}."
        raise ctx.shape_error(text, "bottom", 1)
    return op.Gather(x, cast(index, np.int64), axis=0)


@layer("Filter", bottoms=(2, None), tops=(1, None), in_place=False, passes=True)
def filter_(ctx: Context, *bottoms: Value) -> tuple[Value, ...]:
    """Keeps the rows of each bottom whose selector, the last bottom, is not 0.

    The number of kept rows varies and may be 0. So a training graph with this layer has an axis of unknown size. No gradient flows to
    the selector. A deployed net has no selector and passes the first bottom through.
    """
    *xs, selector = bottoms
    if len(ctx.layer.tops) != len(xs):
        raise ctx.error(
            f"There are {len(xs)} bottoms before the selector and {len(ctx.layer.tops)} tops. Expected one top for each.", "top"
        )
    if list(selector.shape[1:]) != [1] * (selector.rank - 1):
        text = f"The selector {ctx.layer.bottoms[-1]} must have one number per row, but it is {dims(selector.shape)}."
        raise ctx.shape_error(text, "bottom", len(xs))
    for k, x in enumerate(xs):
        if x.shape[:1] != selector.shape[:1]:
            sizes = f"{ctx.layer.bottoms[k]} is {dims(x.shape)}, the selector {ctx.layer.bottoms[-1]} {dims(selector.shape)}"
            text = f"{sizes}. They must have the same number of rows."
            raise ctx.shape_error(text, "bottom", k)
    flat = selector if selector.rank == 1 else reshape(selector, [selector.shape[0]])
    chosen = op.Not(op.Equal(flat, 0))
    return tuple(op.Compress(x, chosen, axis=0, shape=(f"{ctx.layer.name}.rows", *x.shape[1:])) for x in xs)


@layer("Reduction", stem="reduce")
def reduction(ctx: Context, x: Value) -> Value:
    """The sum, sum of absolute values (ASUM), sum of squares (SUMSQ) or mean over `axis` and all axes after it, times coeff."""
    p = ctx.param.reduction_param
    axes = list(range(axis_of(ctx, p.axis, x, "reduction_param", "axis"), x.rank))
    if p.operation == p.MEAN:
        y = op.ReduceMean(x, axes, keepdims=0)
    else:
        each = op.Abs(x) if p.operation == p.ASUM else x * x if p.operation == p.SUMSQ else x
        y = op.ReduceSum(each, axes, keepdims=0)
    return y if p.coeff == 1 else y * p.coeff


@layer("ArgMax")
def arg_max(ctx: Context, x: Value) -> Value:
    """The indices of the top_k largest values. If values are equal, the larger index comes first. No gradient.

    With `axis`, the top holds indices along it, or the values if out_max_val is true. Without `axis`, all axes but the first are
    searched together: the top has the shape (N, 1, top_k), or (N, 2, top_k) with indices and values if out_max_val is true.
    """
    p = ctx.param.argmax_param
    if p.HasField("axis"):
        axis = axis_of(ctx, p.axis, x, "argmax_param", "axis")
        values, indices = _largest(ctx, x, axis)
        return values if p.out_max_val else indices
    ones = [1] * max(0, x.rank - 3)
    values, indices = _largest(ctx, reshape(x, [x.shape[0], merged(x.shape[1:])]), 1)
    parts = [reshape(v, [x.shape[0], 1, p.top_k, *ones]) for v in ((indices, values) if p.out_max_val else (indices,))]
    return op.Concat(*parts, axis=1) if len(parts) > 1 else parts[0]


def _largest(ctx: Context, x: Value, axis: int) -> tuple[Value, Value]:
    """(values, indices as floats) of the top_k along `axis`. TopK prefers the smaller index in a tie, so the axis is reversed first."""
    (size,), k = sizes(x.shape[axis : axis + 1]), ctx.param.argmax_param.top_k
    if not 1 <= k <= size:
        raise ctx.error(f"`top_k` is {k}, but there are {size} values.", "argmax_param", "top_k")
    turned = op.Slice(stop(x), [size - 1], [-size - 1], [axis], [-1])
    values, indices = op.TopK(turned, [k], axis=axis, outputs=2)
    return values, cast(size - 1 - indices, np.float32)
