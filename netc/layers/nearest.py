"""Nearest, which remembers training rows and looks up the nearest ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from netc.graph.ir import Value, cast, constant, op, stop
from netc.layers.cluster import flat
from netc.layers.context import Context, dims, sizes
from netc.layers.domain import Domain, Reads
from netc.layers.lloyd import squared_distances
from netc.net.model import Layer
from netc.registry import layer

MOST = 100_000_000  # numbers in the stored rows, 400 MB
NEVER = np.iinfo(np.int64).max
FAR = 1e30  # a squared distance above all others


@dataclass(frozen=True)
class Neighbours:
    """For each row, the numbers of its k nearest stored rows, their distances, and 1 for each that is there. All are (N, k)."""

    index: Value
    distance: Value
    there: Value

    def mean(self, values: Value) -> Value:
        """The mean of `values` (N, k, ...) over the neighbours."""
        weight = self.there if values.rank == 2 else op.Unsqueeze(self.there, [2])
        return op.ReduceSum(values * weight, [1], keepdims=0) / op.Max(op.ReduceSum(weight, [1], keepdims=0), 1.0)


def _classes(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> Domain | None:
    count = layer.param.nearest_param.num_output
    return Domain(0, count - 1, why=f"there are {count} classes") if count else None


@layer("Nearest", bottoms=(1, 2), tops=(1, 3), in_place=False, fits=True, taught=1, reads=Reads(1, _classes))
def nearest(ctx: Context, x: Value, label: Value | None = None) -> tuple[Value, ...]:
    """The mean distance of each row from its k nearest neighbours among the stored rows, on all axes but the first: a score for outliers.

    The first epoch of training stores `rows` of the training rows, evenly spread over them. Another top has the distance from the k-th
    neighbour. With labels as the second bottom, the first top has the share of each class among the neighbours (Fix and Hodges 1951), or
    the mean of labels that are numbers, and the distances follow. The layer needs no gradient, and none flows to its bottoms. Blobs: rows,
    their number, labels.
    """
    p = ctx.param.nearest_param
    values = stop(flat(x))
    (size,) = sizes(values.shape[1:])
    _check(ctx, size)
    rows, count = ctx.statistic("rows", (int(p.rows), size)), ctx.statistic("count", (1,))
    labelled = len(ctx.param.bottom) > 1
    targets = _targets(ctx) if labelled else 0
    labels = [ctx.statistic("labels", (int(p.rows), max(1, targets)))] if labelled else []
    found = _neighbours(values, rows, count, int(p.k))
    distances = found.mean(found.distance), op.ReduceMax(found.distance * found.there, [1], keepdims=0)
    near = [op.Gather(v, found.index, axis=0) for v in labels]  # (N, k, targets)
    if ctx.training:
        given = [] if label is None else [op.Reshape(cast(stop(label), np.float32), [-1, max(1, targets)])]
        _store(ctx, [values, *given], [rows, *labels], count)
    return *(_prediction(ctx, found, v, targets) for v in near), *distances


def _check(ctx: Context, size: int) -> None:
    p = ctx.param.nearest_param
    known = ctx.epoch.rows if ctx.epoch else None
    if not p.rows:
        hint = f"The training set has {known:,}: `rows: {known}` stores all." if known else "For example `rows: 1000`."
        raise ctx.error(f"`rows` is missing. Add the number of training rows to store. {hint}", "nearest_param")
    if not 1 <= p.k <= p.rows:
        raise ctx.error(f"`k` is {p.k}, but there are {p.rows:,} stored rows.", "nearest_param", "k")
    if p.rows * size > MOST:
        text = f"{p.rows:,} rows of {size:,} numbers are {p.rows * size:,} numbers. It stores at most {MOST:,}."
        raise ctx.error(f"{text} Set `rows: {MOST // size}` to store a sample.", "nearest_param", "rows")


def _targets(ctx: Context) -> int:
    """How many numbers a label has; 0 if it is a class."""
    name = ctx.param.bottom[1]
    source = ctx.described.get(name)
    if ctx.param.nearest_param.num_output or (source is not None and source.classes):
        return 0
    if source is not None and source.dtype == "int64":
        raise ctx.error(f"`num_output` is missing: the number of classes in {name!r}, which the data set does not tell.", "nearest_param")
    return 1 if source is None else prod(source.sizes)


def _prediction(ctx: Context, found: Neighbours, near: Value, targets: int) -> Value:
    """The share of each class among the neighbours, or the mean of their labels (N, k, targets)."""
    if targets:
        mean = found.mean(near)
        return op.Squeeze(mean, [1]) if targets == 1 else mean
    classes = int(ctx.param.nearest_param.num_output or ctx.described[ctx.param.bottom[1]].classes)
    votes = op.OneHot(cast(op.Squeeze(near, [2]), np.int64), classes, constant(np.array([0, 1], np.float32)))
    return found.mean(votes)


def _neighbours(x: Value, rows: Value, count: Value, k: int) -> Neighbours:
    """The k nearest of the first `count` stored rows. They are chosen by a product of matrices, and then measured exactly."""
    stored = int(rows.shape[0])
    origin = op.ReduceSum(rows, [0]) / op.Max(count, 1.0)
    taken = op.Less(constant(np.arange(stored, dtype=np.float32)), count)
    squares = op.Where(taken, squared_distances(x, rows, origin), constant(FAR))
    _, index = op.TopK(squares, [k], axis=1, largest=0, outputs=2)
    away = op.Unsqueeze(x, [1]) - op.Gather(rows, index, axis=0)
    return Neighbours(index, op.Sqrt(op.ReduceSum(away * away, [2], keepdims=0)), cast(op.Less(cast(index, np.float32), count), np.float32))


def _store(ctx: Context, batch: Sequence[Value], states: Sequence[Value], count: Value) -> None:
    """Copy the rows of a batch that are to be stored into their slots. `states` are rows, labels; `batch` has the same of the batch."""
    slots = int(states[0].shape[0])
    if ctx.epoch is None or batch[0].shape[0] != ctx.epoch.batch:
        place = np.arange(slots)
        first = cast(count, np.int64)
        limit = _limit(ctx, batch[0])
        length = op.Shape(batch[0], start=0, end=1) if limit is None else op.Shape(batch[0], start=0, end=1) * limit
    else:
        place = _places(slots, ctx.epoch.rows)
        step = ctx.carry("step", (1,))
        ctx.update(step, step + 1.0)
        first = cast(step, np.int64) * ctx.epoch.batch
        length = constant(np.array([ctx.epoch.batch]))
    at = constant(place) - first
    here = op.And(op.GreaterOrEqual(at, constant(0)), op.Less(at, length))
    source = op.Where(here, at, constant(0))
    for state, values in zip(states, batch, strict=True):
        ctx.update(state, op.Where(op.Unsqueeze(here, [1]), op.Gather(values, source, axis=0), state))
    ctx.update(count, count + cast(op.ReduceSum(cast(here, np.int64), keepdims=1), np.float32))


def _places(slots: int, rows: int | None) -> np.ndarray:
    """The number of the training row of each slot, evenly spread over all rows; NEVER for slots that stay empty."""
    if rows is None:
        return np.arange(slots)
    if rows <= slots:
        return np.where(np.arange(slots) < rows, np.arange(slots), NEVER)
    return (np.arange(1, slots + 1) * rows - 1) // slots


def _limit(ctx: Context, x: Value) -> Value | None:
    """1 in the first epoch and 0 afterwards, if a layer below selects rows; None without a data source."""
    if ctx.epoch is None or ctx.epoch.rows is None:
        return None
    rows, batch = ctx.epoch.rows, ctx.epoch.batch
    if rows % batch:
        text = f"{ctx.layer.bottoms[0]} is {dims(x.shape)}, but the batch size is {batch:,}."
        raise ctx.error(f"{text} Then `batch_size` must divide the {rows:,} training rows, so that none is stored twice.")
    step = ctx.carry("step", (1,))
    ctx.update(step, step + 1.0)
    return cast(op.Less(cast(step, np.int64), rows // batch), np.int64)
