"""What losses and metrics are of a whole test set: exact, whatever its batches.

A layer's function names what a test adds up (`ctx.add_up`) or puts one after another (`ctx.collect`), and its decorator
the function that makes the tops of these: `whole(param, record)`. That gives one array a top, as the layer itself would of one
batch that holds the whole set; NaN in an array of several numbers means that there is none, for a class without labels say.
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
    """How many elements x has, or its first `axes` axes, as an int64 scalar: a constant where all sizes are known."""
    sizes = x.shape if axes is None else x.shape[:axes]
    count = constant(np.int64(prod(int(d) for d in sizes if not isinstance(d, str))))
    for axis, dim in enumerate(sizes):
        if isinstance(dim, str):
            count = count * op.Squeeze(op.Shape(x, start=axis, end=axis + 1))
    return count


def mean_of(ctx: Context, value: Value, count: Value) -> Value:
    """`value`, a mean over `count` things in a batch, as is that of the whole set."""
    ctx.add_up(total=value * cast(count, np.float32), count=count)
    return value


def mean(param: pb.LayerParameter, record: Record) -> Tops:
    """The mean over all that was counted; 0 where that is nothing. A sum where nothing was counted by name."""
    return (record["total"] / max(record["count"], 1) if "count" in record else record["total"],)


def accuracy(param: pb.LayerParameter, record: Record) -> Tops:
    """The share of labels that are right; and of those of each class, NaN for a class without labels."""
    share = record["right"] / max(record["count"], 1)
    if "of_class" not in record:
        return (share,)
    labels = record["of_class"]
    return share, np.where(labels > 0, record["right_of_class"] / np.maximum(labels, 1), np.nan)


def auc(param: pb.LayerParameter, record: Record) -> Tops:
    """The share of pairs of a hit and a miss whose margins are in that order, a tie counting half; 1/2 where there is no pair."""
    margin, hit = record["margin"], record["hit"].astype(bool)
    if np.isnan(margin).any():
        return (np.nan,)
    _, group = np.unique(margin, return_inverse=True)
    hits, misses = (np.bincount(group[chosen], minlength=int(group.max(initial=-1)) + 1) for chosen in (hit, ~hit))
    pairs = float(hits.sum()) * float(misses.sum())
    below = np.cumsum(misses) - misses  # of each margin
    return (float((hits * (below + misses / 2)).sum()) / pairs if pairs else 0.5,)


def r2(param: pb.LayerParameter, record: Record) -> Tops:
    """1 - the mean square of prediction - label over the variance of the labels, 0 where that is 0; and the root of the former."""
    prediction, label = (record[name].astype(np.float64) for name in ("prediction", "label"))
    square, variance = np.mean((prediction - label) ** 2), np.mean((label - label.mean(0)) ** 2)
    return (1 - square / variance if variance else 0.0), np.sqrt(square)
