"""Metrics of rankings and regressions. A graph computes them for one batch, a test for the full test set (`netc.layers.whole`)."""

from collections.abc import Sequence
from math import inf

import numpy as np

from netc.graph.ir import Value, cast, constant, op, shape_of
from netc.layers import domain, whole
from netc.layers.context import Context, dims, sizes
from netc.layers.loss import alike
from netc.layers.regression_loss import columns
from netc.layers.shape import merged, reshape
from netc.net.model import Layer
from netc.registry import layer

MOST = np.iinfo(np.int64).max  # the end of a slice that goes to the end of an axis


def _ranked(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> domain.Domain:
    """The labels that AUC accepts: the classes that have scores, or any whole numbers if each row has one score."""
    ignored, scores = domain.ignored_label(layer.param.auc_param), bottoms[0].shape
    if len(scores) == 2 and isinstance(scores[1], int) and scores[1] > 1:
        return domain.Domain(0, scores[1] - 1, ignored=ignored, why=f"{layer.bottoms[0]} has scores for {scores[1]} classes")
    return domain.Domain(-inf, inf, ignored=ignored)


@layer("AUC", bottoms=(2, 2), tops=(1, 1), metric=True, whole=whole.auc, reads=domain.Reads(1, _ranked))
def auc(ctx: Context, scores: Value, labels: Value) -> Value:
    """The area under the ROC curve (Hanley and McNeil 1982): how well scores separate the label `positive` from all others.

    It is the fraction of pairs of a positive and another row whose scores are in the right order. A tie counts half. If there is no
    pair, it is 1/2. Scores are one per row, or one per class; then the margin over the best other class counts. Rows with the label
    `ignore_label` do not count.
    """
    p = ctx.param.auc_param
    margin = op.Reshape(_margin(ctx, scores, int(p.positive)), [-1], shape=scores.shape[:1])
    labels = reshape(cast(labels, np.int64), [scores.shape[0]])
    hit, counted = op.Equal(labels, constant(np.int64(p.positive))), None
    if p.HasField("ignore_label"):
        counted = op.Not(op.Equal(labels, int(p.ignore_label)))
    rows = (f"{ctx.layer.name}.rows",)
    kept = [v if counted is None else op.Compress(v, counted, axis=0, shape=rows) for v in (margin, hit)]
    ctx.collect(margin=kept[0], hit=kept[1])
    hits = cast(hit if counted is None else op.And(hit, counted), np.float32)
    return _area(margin, hits, (1.0 if counted is None else cast(counted, np.float32)) - hits)


def _by_margin(margin: Value, *counts: Value) -> tuple[Value, ...]:
    """The sums of `counts` (L, N) for each distinct margin (L, N) of a row, from the highest down, followed by zeros."""
    (number,), count = sizes(margin.shape[:1]), op.Shape(margin, start=1, end=2)
    ordered, order = op.TopK(margin, count, axis=1, outputs=2, shapes=[margin.shape] * 2)
    before, after = (op.Slice(ordered, [k], [end], [1], shape=(number, "M")) for k, end in ((0, -1), (1, MOST)))
    first = constant(np.zeros((number, 1), np.int64))
    group = op.CumSum(op.Concat(first, cast(op.Not(op.Equal(before, after)), np.int64), axis=1, shape=margin.shape), constant(1))
    place = op.Reshape(group + constant(np.arange(number)[:, None]) * count, [-1, 1], shape=("P", 1))
    none = op.Reshape(op.Expand(constant(0.0), shape_of(margin), shape=margin.shape), [-1], shape=("P",))
    sums = (op.ScatterND(none, place, op.Reshape(op.GatherElements(v, order, axis=1), [-1], shape=("P",)), reduction="add") for v in counts)
    return tuple(op.Reshape(v, [number, -1], shape=margin.shape) for v in sums)


def _area(margin: Value, hits: Value, misses: Value) -> Value:
    """AUC from margins (N,) and the number of hits and misses at each (N,). Equal margins are counted together."""
    hits, misses = (op.Squeeze(v, [0]) for v in _by_margin(*(op.Unsqueeze(v, [0]) for v in (margin, hits, misses))))
    above = op.CumSum(misses, constant(0))  # cumulative from the highest margin down, so what remains is below
    below = op.ReduceSum(misses, keepdims=0) - above
    won = op.ReduceSum(hits * (below + misses * 0.5), keepdims=0)
    pairs = op.ReduceSum(hits, keepdims=0) * op.ReduceSum(misses, keepdims=0)
    return op.Where(pairs > 0.0, won / op.Max(pairs, 1.0), constant(0.5))


def _margin(ctx: Context, scores: Value, positive: int) -> Value:
    """(N,) or (N, 1): the score of the label `positive`, minus the best other score if there is one per class."""
    if scores.rank == 1 or (scores.rank == 2 and scores.shape[1] == 1):
        return scores
    if scores.rank != 2:
        raise ctx.shape_error(f"{ctx.layer.bottoms[0]} is {dims(scores.shape)}; expected a score a row, or one for each class.", "bottom")
    (classes,) = sizes(scores.shape[1:])
    if positive >= classes:
        raise ctx.error(f"`positive` {positive} of {classes} classes.", "auc_param", "positive")
    others = [k for k in range(classes) if k != positive]
    own, best = op.Gather(scores, [positive], axis=1), op.ReduceMax(op.Gather(scores, others, axis=1), [1])
    return own - best


@layer("R2", bottoms=(2, 2), tops=(1, 2), metric=True, lower_is_better=(1,), whole=whole.r2)
def r2(ctx: Context, prediction: Value, label: Value) -> tuple[Value, ...]:
    """The coefficient of determination, 1 - sum of (prediction - label)^2 / sum of (label - mean label)^2. 0 if all labels are equal.

    A second top holds the root of the mean of (prediction - label)^2.
    """
    label = alike(ctx, prediction, label)
    ctx.collect(prediction=prediction, label=label)
    square = op.ReduceMean((prediction - label) * (prediction - label), keepdims=0)
    away = label - op.ReduceMean(label, [0])
    variance = op.ReduceMean(away * away, keepdims=0)
    share = op.Where(variance > 0.0, 1.0 - square / op.Where(variance > 0.0, variance, constant(1.0)), constant(0.0))
    return (share, op.Sqrt(square)) if len(ctx.layer.tops) > 1 else (share,)


@layer(
    "AveragePrecision", stem="average_precision", bottoms=(2, 2), tops=(1, 2), metric=True, whole=whole.average_precision,
    reads=domain.probabilities(lambda bottoms: merged(bottoms[0].shape[1:]) != 1 and merged(bottoms[1].shape[1:]) == 1),
)  # fmt: skip
def average_precision(ctx: Context, prediction: Value, labels: Value) -> tuple[Value, ...]:
    """The area under the curve of precision over recall, as scikit-learn's average_precision_score: a sum of precisions at each hit.

    The bottom has one score per row, or a probability for each class; then that of the class `positive` counts. If a row has several
    labels, each 0 or 1, the first top is the mean over the labels, and a second top holds the value of each label.
    """
    scores = columns(prediction)
    (width,) = sizes(scores.shape[1:])
    if width > 1 and merged(labels.shape[1:]) == width:
        hit = op.Equal(cast(columns(labels), np.int64), 1)
    else:
        positive = int(ctx.param.average_precision_param.positive)
        if width > 1 and positive >= width:
            raise ctx.error(f"`positive` {positive} of {width} classes.", "average_precision_param", "positive")
        scores = scores if width == 1 else op.Gather(scores, [positive], axis=1)
        hit = op.Equal(reshape(cast(labels, np.int64), [scores.shape[0], 1]), positive)
    ctx.collect(score=scores, hit=hit)
    each = _precision(op.Transpose(scores, perm=[1, 0]), op.Transpose(cast(hit, np.float32), perm=[1, 0]))
    return op.ReduceMean(each, keepdims=0), each


def _precision(scores: Value, hits: Value) -> Value:
    """(L,): the average precision of each row of scores (L, N), 0 without hits."""
    hits, rows = _by_margin(scores, hits, op.Expand(constant(1.0), shape_of(hits), shape=hits.shape))
    precision = op.CumSum(hits, constant(1)) / op.Max(op.CumSum(rows, constant(1)), 1.0)
    return op.ReduceSum(hits * precision, [1], keepdims=0) / op.Max(op.ReduceSum(hits, [1], keepdims=0), 1.0)
