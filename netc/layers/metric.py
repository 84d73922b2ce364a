"""Metrics of rankings and of regressions. What they say of a test set is exact where one batch holds all of it; else the batches' mean."""

import numpy as np

from netc.ir import Value, cast, constant, op
from netc.layers.context import Context, dims, sizes
from netc.layers.loss import alike
from netc.layers.shape import reshape
from netc.registry import layer


@layer("AUC", bottoms=(2, 2), tops=(1, 1), metric=True)
def auc(ctx: Context, scores: Value, labels: Value) -> Value:
    """The share of pairs of rows, one with the label `positive` and one without, whose scores are in that order; a tie counts half.

    That is the area under the curve of hits over false alarms (Hanley and McNeil 1982). Scores are one a row, or one for each
    class, whose margin over the best other class counts. 1/2 where there is no pair. Memory grows with the square of the batch.
    """
    positive = ctx.param.auc_param.positive
    margin = op.Reshape(_margin(ctx, scores, int(positive)), [-1, 1], shape=(scores.shape[0], 1))
    hit = reshape(cast(op.Equal(cast(labels, np.int64), constant(np.int64(positive))), np.float32), [scores.shape[0], 1])
    turned = op.Transpose(margin, perm=[1, 0])
    order = cast(margin > turned, np.float32) + cast(op.Equal(margin, turned), np.float32) * 0.5
    pairs = hit * op.Transpose(1.0 - hit, perm=[1, 0])
    count = op.ReduceSum(pairs, keepdims=0)
    return op.Where(count > 0.0, op.ReduceSum(order * pairs, keepdims=0) / op.Max(count, 1.0), constant(0.5))


def _margin(ctx: Context, scores: Value, positive: int) -> Value:
    """(N,) or (N, 1): what speaks for the label `positive`."""
    if scores.rank == 1 or (scores.rank == 2 and scores.shape[1] == 1):
        return scores
    if scores.rank != 2:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(scores.shape)}; expected a score a row, or one for each class", "bottom")
    (classes,) = sizes(scores.shape[1:])
    if positive >= classes:
        raise ctx.error(f"positive {positive} of {classes} classes", "auc_param", "positive")
    others = [k for k in range(classes) if k != positive]
    own, best = op.Gather(scores, [positive], axis=1), op.ReduceMax(op.Gather(scores, others, axis=1), [1])
    return own - best


@layer("R2", bottoms=(2, 2), tops=(1, 2), metric=True)
def r2(ctx: Context, prediction: Value, label: Value) -> tuple[Value, ...]:
    """The coefficient of determination, 1 - sum of (prediction - label)^2 / sum of (label - mean label)^2; 0 where labels are equal.

    A second top holds the root of the mean square of prediction - label.
    """
    label = alike(ctx, prediction, label)
    square = op.ReduceMean((prediction - label) * (prediction - label), keepdims=0)
    away = label - op.ReduceMean(label, [0])
    variance = op.ReduceMean(away * away, keepdims=0)
    share = op.Where(variance > 0.0, 1.0 - square / op.Where(variance > 0.0, variance, constant(1.0)), constant(0.0))
    return (share, op.Sqrt(square)) if len(ctx.layer.tops) > 1 else (share,)
