"""k-means clustering inside a training graph: k-means++ starts (Arthur and Vassilvitskii 2007), then Lloyd's iterations (1982).

Several starts are trained side by side. Each of the first steps adds one center to every start. Then each epoch is one iteration: the
batches add up the rows of each cluster, and its last batch moves the centers to the means. So the result does not depend on the batch
size, except for the starts, which are chosen among the rows of a batch.
"""

from dataclasses import dataclass
from math import ceil, log
from typing import Self

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.layers.context import Context, sizes


def squared_distances(x: Value, centers: Value, origin: Value) -> Value:
    """The squared distances (N, K) of rows (N, D) from centers (K, D). `origin` is a point among them, so that large offsets cancel."""
    x, centers = x - origin, centers - origin
    squares = op.ReduceSum(x * x, [1]) + op.ReduceSum(centers * centers, [1], keepdims=0)
    return op.Max(squares - 2.0 * op.Gemm(x, centers, transB=1), 0.0)


@dataclass(frozen=True)
class Rows:
    """The place of a batch in its epoch.

    `now` has 1 for rows of the epoch that the batch begins in, `later` for rows of the next one (None if there never are any). `ends` is
    whether the batch contains the epoch's last row. All are 0 or false while centers are still being chosen.
    """

    now: Value
    later: Value | None
    ends: Value

    @classmethod
    def of(cls, ctx: Context, x: Value, step: Value, chosen: int) -> Self:
        """The place of step number `step`. The first `chosen` steps and the rest of their epoch do not count."""
        rows, batch = _epoch(ctx, x, chosen)
        begin = ceil(chosen * batch / rows) * rows
        first = cast(step, np.int64) * batch
        end = (op.Div(first, rows) + 1) * rows
        counts = op.GreaterOrEqual(first, begin)
        ends = op.And(counts, op.GreaterOrEqual(first + batch, end))
        if rows % batch == 0:
            return cls(cast(counts, np.float32), None, ends)
        place = first + np.arange(batch, dtype=np.int64)
        now = op.And(op.Less(place, end), op.GreaterOrEqual(place, begin))
        later = op.GreaterOrEqual(place, op.Max(end, constant(begin)))
        now, later = (op.Reshape(cast(v, np.float32), [batch, 1, 1]) for v in (now, later))
        return cls(now, later, ends)


def _epoch(ctx: Context, x: Value, clusters: int) -> tuple[int, int]:
    """The rows of an epoch and of a batch. Without a data source, each batch is a whole set."""
    if ctx.epoch is None:
        (batch,) = sizes(x.shape[:1])
        return batch, batch
    rows, batch = ctx.epoch.rows, ctx.epoch.batch
    if rows is None:
        raise ctx.error("It needs a data source with a known number of rows.")
    if rows < clusters:
        raise ctx.error(f"There are {clusters} clusters, but only {rows} training rows.", "top")
    if batch > rows:
        raise ctx.error(f"The batch size is {batch:,}, but there are only {rows:,} training rows. Set `batch_size: {rows}`.")
    if rows % batch and x.shape[0] != batch:
        why = f"a layer below changes the number of rows in a batch, so `batch_size` must divide the {rows:,} training rows"
        raise ctx.error(f"The batch size is {batch:,}, and {why}, for example `batch_size: {_divisor(rows, batch)}`.")
    return rows, batch


def _divisor(rows: int, batch: int) -> int:
    """The divisor of `rows` that is nearest to `batch`."""
    return min((d for d in range(1, rows + 1) if rows % d == 0), key=lambda d: abs(d - batch))


@dataclass(frozen=True)
class Sums:
    """What the batches of an epoch add up for each start (R) and cluster (K).

    `moves` (R, K, D) is the sum of row - center, `counts` (R, K, 1) the number of rows, `inertia` (R,) the sum of squared distances.
    """

    moves: Value
    counts: Value
    inertia: Value

    def plus(self, other: "Sums") -> "Sums":
        return Sums(self.moves + other.moves, self.counts + other.counts, self.inertia + other.inertia)

    def unless(self, ended: Value) -> "Sums":
        """These sums, or zeros if `ended`."""
        return Sums(*(op.Where(ended, constant(0.0), v) for v in (self.moves, self.counts, self.inertia)))


def _sums(x: Value, centers: Value, origin: Value, weight: Value) -> Sums:
    """The sums over rows x (N, D), each with its weight (N, 1, 1), for the centers (R, K, D) of several starts."""
    starts, clusters, size = sizes(centers.shape)
    distances = _distances(x, centers, origin)
    member = op.OneHot(op.ArgMin(distances, axis=2, keepdims=0), clusters, constant(np.array([0, 1], np.float32))) * weight
    member = op.Transpose(member, perm=[1, 2, 0])
    counts = op.ReduceSum(member, [2])
    moves = op.MatMul(member, x - origin) - counts * (centers - origin)
    inertia = op.ReduceSum(op.ReduceMin(distances, [2]) * weight, [0, 2], keepdims=0)
    return Sums(moves, counts, inertia)


def _distances(x: Value, centers: Value, origin: Value) -> Value:
    """The squared distances (N, R, K) of rows from the centers (R, K, D) of several starts."""
    starts, clusters, size = sizes(centers.shape)
    flat = op.Reshape(centers, [starts * clusters, size])
    return op.Reshape(squared_distances(x, flat, origin), [-1, starts, clusters], shape=(x.shape[0], starts, clusters))


def _with_next_center(ctx: Context, x: Value, centers: Value, origin: Value, step: Value) -> Value:
    """The centers (R, K, D) with center number `step` in the slots from `step` on; unchanged if there is no such slot.

    The center is a row that is drawn with a probability in proportion to its squared distance from the nearest center so far. It is the
    best of a few, that with the lowest sum of squared distances. The first center is any row.
    """
    starts, clusters, size = sizes(centers.shape)
    trials = 2 + int(log(clusters))
    first = step < 0.5
    nearest = op.ReduceMin(_distances(x, centers, origin), [2])  # (N, R, 1)
    weight = op.Where(first, constant(1.0), op.Squeeze(nearest, [2]))
    reach = op.Transpose(op.CumSum(weight, constant(0)))
    total = op.Slice(reach, [-1], [np.iinfo(np.int64).max], [1], shape=(starts, 1))
    before = op.LessOrEqual(op.Unsqueeze(reach, [1]), op.Unsqueeze(ctx.noise("choice", (starts, trials)) * total, [2]))
    last = op.Squeeze(op.Shape(x, start=0, end=1)) - 1
    row = op.Min(op.ReduceSum(cast(before, np.int64), [2], keepdims=0), last)
    drawn = op.Reshape(op.Gather(x, op.Reshape(row, [-1]), axis=0), [starts, trials, size])
    potential = op.ReduceSum(op.Min(_distances(x, drawn, origin), op.Where(first, constant(np.float32(3e38)), nearest)), [0], keepdims=0)
    best = op.Where(first, constant(0), op.ArgMin(potential, axis=1, keepdims=0))
    picked = op.OneHot(best, trials, constant(np.array([0, 1], np.float32)))
    center = op.ReduceSum(drawn * op.Unsqueeze(picked, [2]), [1])
    slot = constant(np.arange(clusters, dtype=np.float32).reshape(1, clusters, 1))
    return op.Where(op.GreaterOrEqual(slot, step), center, centers)


def update_centers(ctx: Context, x: Value, centers: Value, starts: int) -> None:
    """Make `centers` (K, D) those of the best of `starts` k-means clusterings of the rows (N, D) of all batches."""
    clusters, size = sizes(centers.shape)
    held = ctx.carry("starts", (starts, clusters, size))
    shapes = (starts, clusters, size), (starts, clusters, 1), (starts,)
    sums = Sums(*(ctx.carry(name, shape) for name, shape in zip(("moves", "counts", "inertia"), shapes, strict=True)))
    score, step = ctx.carry("score", (starts,)), ctx.carry("step", ())
    rows, origin = Rows.of(ctx, x, step, clusters), op.ReduceMean(x, [0])
    new = sums.plus(_sums(x, held, origin, rows.now))
    moved = held + op.Where(rows.ends, new.moves, constant(0.0)) / op.Max(new.counts, 1.0)
    rest = new.unless(rows.ends)
    if rows.later is not None:
        rest = rest.plus(_sums(x, moved, origin, rows.later))
    after = _with_next_center(ctx, x, moved, origin, step)
    best = op.Where(rows.ends, new.inertia, score)
    for state, value in zip((*vars(sums).values(), held, score, step), (*vars(rest).values(), after, best, step + 1.0), strict=True):
        ctx.update(state, value)
    ctx.update(centers, op.Gather(after, op.ArgMin(best, axis=0, keepdims=0), axis=0))
