"""Weights of rows: the third bottom of a loss. A loss is then the sum of weight times loss, divided by the sum of the weights."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op, shape_of, stop
from netc.graph.training_ops import loss
from netc.layers import whole
from netc.layers.context import Context, dims
from netc.layers.shape import merged, reshape


def weights_like(ctx: Context, weight: Value, each: Value, bottom: int = 2) -> Value:
    """The weights, bottom number `bottom`, in the shape of `each`: one for each row, or one for each element."""
    if weight.shape == each.shape:
        return stop(cast(weight, np.float32))
    if weight.shape[:1] != each.shape[:1] or merged(weight.shape[1:]) != 1:
        text = f"{ctx.layer.bottoms[bottom]} is {dims(weight.shape)}. Expected one number for each of {dims(each.shape[:1])} rows."
        raise ctx.shape_error(text, "bottom", bottom)
    one = reshape(stop(cast(weight, np.float32)), [each.shape[0], *[1] * (each.rank - 1)])
    return op.Expand(one, shape_of(each), shape=each.shape)


def mean_of_rows(ctx: Context, each: Value, weight: Value | None) -> Value:
    """The mean of the losses `each` (N,) of the rows, weighted if there are weights. A test computes it over the full set."""
    if weight is None:
        return whole.mean_of(ctx, loss.mean(each), whole.size(each))
    w = weights_like(ctx, weight, each)
    return whole.ratio_of(ctx, op.ReduceSum(each * w, keepdims=0), op.ReduceSum(w, keepdims=0))


def mean_of_labels(ctx: Context, each: Value, weight: Value | None, share: Value | None, axis: int, normalization: str) -> Value:
    """The losses `each`, one for each label, summed and divided by what LossParameter's `normalization` counts.

    Weights count instead of numbers: those of the rows, and for VALID times `share`, the weight of each label (0 for an ignored one).
    """
    rows = op.Expand(constant(1.0), shape_of(each), shape=each.shape) if weight is None else weights_like(ctx, weight, each)
    counted = rows if share is None else rows * share
    total = op.ReduceSum(each * counted, keepdims=0)
    if normalization == "NONE":
        ctx.add_up(total=total)
        return total
    if normalization == "BATCH_SIZE" and each.rank > axis:
        rows = op.ReduceMean(rows, list(range(axis, each.rank)), keepdims=0)
    return whole.ratio_of(ctx, total, op.ReduceSum(counted if normalization == "VALID" else rows, keepdims=0))
