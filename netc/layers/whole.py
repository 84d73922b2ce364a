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


def mean(param: pb.LayerParameter, record: Record) -> Tops:
    """The mean over all counted elements; 0 if there are none. Without a count, the sum."""
    return (record["total"] / max(record["count"], 1) if "count" in record else record["total"],)


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
