"""Losses and metrics of a full test set. They are exact for any batch size.

A layer's function records what a test sums (`ctx.add_up`) or concatenates (`ctx.collect`) over its batches. The layer's decorator names the
function that computes the tops from these records: `whole(param, record)`. It returns one array per top, the same as the layer would
compute for one batch with the full set. NaN in an array of several numbers means that there is no value, for example for a class without
labels.
"""

from collections.abc import Mapping
from math import prod

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op
from netc.layers.context import Context

Record = Mapping[str, np.ndarray]
Tops = tuple[np.ndarray | float, ...]


def size(x: Value, axes: int | None = None) -> Value:
    """The number of elements of x, or of its first `axes` axes, as an int64 scalar. It is a constant if all sizes are known."""
    sizes = x.shape if axes is None else x.shape[:axes]
    count = constant(np.int64(prod(int(d) for d in sizes if not isinstance(d, str))))
    for axis, dim in enumerate(sizes):
        if isinstance(dim, str):
            count = count * op.Squeeze(op.Shape(x, start=axis, end=axis + 1))
    return count


def mean_of(ctx: Context, value: Value, count: Value) -> Value:
    """Return `value`, a mean over `count` elements of a batch, and record it so that a test computes the mean over the full set."""
    ctx.add_up(total=value * cast(count, np.float32), count=count)
    return value


def ratio_of(ctx: Context, total: Value, count: Value) -> Value:
    """`total` / `count`, a number of elements or a sum of weights; 0 if it is 0. A test divides the sums over the full set."""
    ctx.add_up(total=total, count=count)
    return total / op.Where(op.Equal(count, 0.0), constant(1.0), count)


def mean(param: pb.LayerParameter, record: Record) -> Tops:
    """The mean over all counted elements; 0 if there are none. Without a count, the sum."""
    return (record["total"] / (float(record["count"]) or 1.0) if "count" in record else record["total"],)


def exact_mean(ctx: Context, each: Value) -> tuple[Value, Value]:
    """The mean of float64 numbers (N, columns), and that of each column. A test computes them over the full set."""
    total, rows = op.ReduceSum(each, [0], keepdims=0), size(each, 1)
    ctx.add_up(total=total, count=rows)
    columns = total / op.Max(cast(rows, np.float64), 1.0)
    return cast(op.ReduceMean(columns, keepdims=0), np.float32), cast(columns, np.float32)


def mean_of_columns(param: pb.LayerParameter, record: Record) -> Tops:
    """The mean over all rows and columns, and the mean of each column."""
    columns = record["total"] / max(record["count"], 1)
    return float(columns.mean()), columns


def rmse(param: pb.LayerParameter, record: Record) -> Tops:
    """The mean over the columns of the root mean square error, and that of each column."""
    columns = np.sqrt(record["total"] / max(record["count"], 1))
    return float(columns.mean()), columns


def calibration_error(param: pb.LayerParameter, record: Record) -> Tops:
    """The sum over the intervals of |sum of probabilities - hits|, divided by the number of rows."""
    return (float(np.abs(record["gap"]).sum() / max(record["count"], 1)),)


def class_scores(param: pb.LayerParameter, record: Record) -> Tops:
    """The score of the class `positive`, or an average of the scores of all classes; the score of each class, NaN for one without rows."""
    p, (hits, asked) = param.f1_param, (record[name] for name in ("hits", "asked"))
    each = hits / np.where(asked > 0, asked, 1)
    seen = record["seen"] > 0
    if p.HasField("positive"):
        first = each[p.positive]
    elif p.average == p.MICRO:
        first = hits.sum() / (asked.sum() or 1)
    else:
        first = each[seen].mean() if seen.any() else 0.0
    return float(first), np.where(asked > 0, each, np.nan)


def mean_iou(param: pb.LayerParameter, record: Record) -> Tops:
    """The mean over the classes that occur, or the value of the class `positive`; that of each class, NaN for one without pixels."""
    p, either = param.mean_iou_param, record["either"]
    each = np.where(either > 0, record["both"] / np.maximum(either, 1), np.nan)
    first = each[p.positive] if p.HasField("positive") else each[either > 0].mean() if either.any() else 0.0
    return float(np.nan_to_num(first)), each


def multi_label_accuracy(param: pb.LayerParameter, record: Record) -> Tops:
    """The share of rows whose labels are all right, and the share of labels that are right."""
    return float(record["rows"] / max(record["count"], 1)), float(record["right"] / max(record["labels"], 1))


def average_precision(param: pb.LayerParameter, record: Record) -> Tops:
    """The mean over the labels of the average precision, and that of each label. A label without hits has 0 in the mean, NaN by itself."""
    score, hit = record["score"].astype(np.float64), record["hit"].astype(bool)
    if np.isnan(score).any():
        return np.nan, np.full(score.shape[1], np.nan)
    each = np.array([_average_precision(s, h) for s, h in zip(score.T, hit.T, strict=True)])
    return float(each.mean()), np.where(hit.any(0), each, np.nan)


def _average_precision(score: np.ndarray, hit: np.ndarray) -> float:
    """The sum over the distinct scores, from the highest down, of precision times the gain of recall."""
    _, group = np.unique(-score, return_inverse=True)
    hits, rows = np.bincount(group, hit), np.bincount(group)
    return float((hits * np.cumsum(hits) / np.cumsum(rows)).sum() / max(hits.sum(), 1))


def accuracy(param: pb.LayerParameter, record: Record) -> Tops:
    """The share of correct labels, and the share for each class; NaN for a class without labels."""
    share = record["right"] / max(record["count"], 1)
    if "of_class" not in record:
        return (share,)
    labels = record["of_class"]
    return share, np.where(labels > 0, record["right_of_class"] / np.maximum(labels, 1), np.nan)


def auc(param: pb.LayerParameter, record: Record) -> Tops:
    """The share of pairs of a hit and a miss whose margins are in that order. A tie counts half. If there are no pairs, 1/2."""
    margin, hit = record["margin"], record["hit"].astype(bool)
    if np.isnan(margin).any():
        return (np.nan,)
    _, group = np.unique(margin, return_inverse=True)
    hits, misses = (np.bincount(group[chosen], minlength=int(group.max(initial=-1)) + 1) for chosen in (hit, ~hit))
    pairs = float(hits.sum()) * float(misses.sum())
    below = np.cumsum(misses) - misses  # the misses below each margin
    return (float((hits * (below + misses / 2)).sum()) / pairs if pairs else 0.5,)


def r2(param: pb.LayerParameter, record: Record) -> Tops:
    """The coefficient of determination, and the root mean square error.

    The first is 1 - mean square of (prediction - label) / variance of the labels, or 0 if the variance is 0.
    """
    prediction, label = (record[name].astype(np.float64) for name in ("prediction", "label"))
    square, variance = np.mean((prediction - label) ** 2), np.mean((label - label.mean(0)) ** 2)
    return (1 - square / variance if variance else 0.0), np.sqrt(square)


def adjusted_rand(param: pb.LayerParameter, record: Record) -> Tops:
    """The adjusted Rand index of clusters and labels; 1 if both put all rows into one group, or each row into its own."""
    cluster, label = (np.unique(record[name], return_inverse=True)[1].reshape(-1) for name in ("cluster", "label"))
    rows = float(cluster.size)
    pairs = cluster.astype(np.int64) * (int(label.max(initial=0)) + 1) + label
    both, one, other = (float((np.unique(v, return_counts=True)[1].astype(np.float64) ** 2).sum()) for v in (pairs, cluster, label))
    hit, apart, joined, torn = both - rows, rows * rows - one - other + both, one - both, other - both
    over = (hit + torn) * (torn + apart) + (hit + joined) * (joined + apart)
    return (2 * (hit * apart - torn * joined) / over if over else 1.0,)
