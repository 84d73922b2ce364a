"""Clusters: k-means, soft assignments, the loss of deep embedded clustering, and a metric for clusters."""

from math import prod

import numpy as np

from netc.graph.ir import Value, cast, constant, op, shape_of, stop
from netc.layers import whole
from netc.layers.context import Context, dims, sizes
from netc.layers.lloyd import squared_distances, update_centers
from netc.registry import layer

TINY = 1e-20  # the smallest number that a logarithm or a divisor sees


def flat(x: Value) -> Value:
    """x as (N, D): all axes but the first are one."""
    return x if x.rank == 2 else op.Reshape(x, [0, prod(sizes(x.shape[1:]))])


def _check(ctx: Context, p: object, field: str) -> None:
    """Raise an error if the fields that all clusterings have are missing or out of range."""
    if not getattr(p, "num_output"):  # noqa: B009
        raise ctx.error("`num_output` is missing. Add the number of clusters, for example `num_output: 10`.", field)
    if not getattr(p, "n_init"):  # noqa: B009
        raise ctx.error("`n_init` must be at least 1.", field, "n_init")


def _mean_square(ctx: Context, squares: Value) -> Value:
    """The mean over the rows of the squared distance (N, K) from the nearest center, recorded for tests."""
    each = op.ReduceMin(squares, [1], keepdims=0)
    return whole.mean_of(ctx, op.ReduceMean(each, [0], keepdims=0), whole.size(each))


@layer("KMeans", tops=(1, 3), own_loss=2, in_place=False, default_tops=("cluster", "distance", "inertia"), whole=whole.mean, fits=True)
def k_means(ctx: Context, x: Value) -> tuple[Value, ...]:
    """k-means clustering of the rows (Lloyd 1982), on all axes but the first. The first top is the number of each row's cluster (int64).

    The second top has the distances (N, num_output) of the rows from the centers. The third top is the mean over the rows of the squared
    distance from the nearest center: scikit-learn's inertia divided by the number of rows. With this top, training moves the centers. It
    needs no gradient and no learning rate: the first num_output steps choose rows as centers for n_init starts (k-means++, Arthur and
    Vassilvitskii 2007), then each epoch moves each center to the mean of its rows. The start with the lowest inertia gives the centers.
    No gradient flows to the bottom. Blob: centers (num_output, values per row).
    """
    p = ctx.param.kmeans_param
    _check(ctx, p, "kmeans_param")
    rows = stop(flat(x))
    centers = ctx.statistic("centers", (int(p.num_output), *sizes(rows.shape[1:])))
    squares = squared_distances(rows, centers, op.ReduceMean(centers, [0]))
    tops = op.ArgMin(squares, axis=1, keepdims=0), op.Sqrt(squares)
    if len(ctx.layer.tops) < 3:
        return tops
    if ctx.training:
        update_centers(ctx, rows, centers, int(p.n_init))
    return *tops, _mean_square(ctx, squares)


@layer("ClusterAssignment", stem="clusters", tops=(1, 2), own_loss=1, in_place=False, whole=whole.mean, fits=True)
def cluster_assignment(ctx: Context, x: Value) -> tuple[Value, ...]:
    """The similarity of each row to num_output learned centers (Xie, Girshick and Farhadi 2016), on all axes but the first.

    It is (1 + d^2 / freedom)^(-(freedom + 1) / 2), where d is the distance from the center, divided by the sum over the centers. In a stage
    of pretraining, or with a second top, the layer learns like KMeans: the second top is the mean squared distance from the nearest
    center, and k-means clustering moves the centers. Else, the centers learn by their gradient, as that of DECLoss. Blob: centers.
    """
    p = ctx.param.cluster_assignment_param
    _check(ctx, p, "cluster_assignment_param")
    if not p.freedom > 0:
        raise ctx.error(f"`freedom` must be above 0, not {p.freedom:g}.", "cluster_assignment_param", "freedom")
    rows = flat(x)
    centers = ctx.parameter("centers", np.zeros((int(p.num_output), *sizes(rows.shape[1:])), np.float32))
    squares = squared_distances(rows, centers, stop(op.ReduceMean(centers, [0])))
    similarity = op.Reciprocal(1.0 + squares / float(p.freedom))
    if p.freedom != 1:
        similarity = op.Pow(similarity, (float(p.freedom) + 1) / 2)
    top = similarity / op.ReduceSum(similarity, [1])
    if len(ctx.layer.tops) < 2:
        return (top,)
    if ctx.training:
        update_centers(ctx, stop(rows), centers, int(p.n_init))
    return top, _mean_square(ctx, stop(squares))


@layer("DECLoss", tops=(0, 1), loss=True, whole=whole.mean)
def dec_loss(ctx: Context, q: Value) -> Value:
    """The loss of deep embedded clustering (Xie, Girshick and Farhadi 2016): KL(P || Q), averaged over the rows.

    Q are the similarities of ClusterAssignment. P, the target, is q^2 / f, divided by its sum over the clusters, where f is the share of
    each cluster. No gradient flows to P. Blobs: the running sums of the shares, and of their weight. They let the oldest batches fade by
    moving_average_fraction.
    """
    if q.rank != 2:
        raise ctx.shape_error(f"Expected (rows, clusters). {ctx.layer.bottoms[0]} is of shape {dims(q.shape)}.", "bottom")
    (clusters,) = sizes(q.shape[1:])
    shares, weight = ctx.statistic("shares", (clusters,)), ctx.statistic("weight", (1,))
    batch = stop(op.ReduceMean(q, [0], keepdims=0))
    keep = float(ctx.param.dec_loss_param.moving_average_fraction)
    if ctx.training:
        shares, weight = shares_after, weight_after = shares * keep + batch, weight * keep + 1.0
        for blob, value in zip(ctx.blobs, (shares_after, weight_after), strict=True):
            ctx.update(blob, value)
    frequency = op.Where(weight > 0.0, shares / op.Max(weight, 1.0), constant(1 / clusters))
    target = stop(q * q / op.Max(frequency, TINY))
    target = target / op.ReduceSum(target, [1])
    each = op.ReduceSum(target * (op.Log(op.Max(target, TINY)) - op.Log(op.Max(q, TINY))), [1], keepdims=0)
    return whole.mean_of(ctx, op.ReduceMean(each, [0], keepdims=0), whole.size(each))


@layer("AdjustedRandIndex", stem="ari", bottoms=(2, 2), tops=(1, 1), metric=True, whole=whole.adjusted_rand)
def adjusted_rand_index(ctx: Context, clusters: Value, labels: Value) -> Value:
    """How well clusters match labels (Hubert and Arabie 1985): 1 for equal partitions, about 0 for random ones.

    The first bottom has the number of each row's cluster, or a score for each cluster, of which the largest counts.
    """
    if clusters.rank == 2 and clusters.shape[1] != 1:
        clusters = op.ArgMax(clusters, axis=1, keepdims=0)
    found, known = (_numbers(ctx, k, v) for k, v in enumerate((clusters, labels)))
    if found.shape != known.shape:
        named = " and ".join(f"{name} {dims(v.shape)}" for name, v in zip(ctx.layer.bottoms, (found, known), strict=True))
        raise ctx.shape_error(f"{named} differ in size.", "bottom")
    ctx.collect(cluster=found, label=known)
    lowest = op.ReduceMin(known, keepdims=0)
    width = op.ReduceMax(known, keepdims=0) - lowest + 1
    rows = cast(whole.size(found), np.float32)
    both, one, other = (_pairs(v) / (rows * rows) for v in (found * width + (known - lowest), found, known))
    single = op.Reciprocal(rows)
    hit, apart = both - single, 1.0 - one - other + both
    joined, torn = one - both, other - both
    over = (hit + torn) * (torn + apart) + (hit + joined) * (joined + apart)
    return op.Where(over > 0.0, 2.0 * (hit * apart - torn * joined) / op.Where(over > 0.0, over, constant(1.0)), constant(1.0))


def _numbers(ctx: Context, bottom: int, x: Value) -> Value:
    """A bottom as whole numbers, one for each row."""
    if any(d != 1 for d in x.shape[1:]):
        text = f"Expected one number for each row. {ctx.layer.bottoms[bottom]} is of shape {dims(x.shape)}."
        raise ctx.shape_error(text, "bottom", bottom)
    return cast(stop(x if x.rank == 1 else op.Reshape(x, [-1], shape=x.shape[:1])), np.int64)


def _pairs(numbers: Value) -> Value:
    """How many ordered pairs of rows have equal numbers, a row with itself included: the sum of the squared sizes of the groups."""
    count = op.Reshape(op.Size(numbers), [1])
    ordered, _ = op.TopK(numbers, count, axis=0, outputs=2, shapes=[numbers.shape] * 2)
    before = op.Slice(ordered, [0], [-1], [0], shape=("M",))
    changed = op.Not(op.Equal(op.Slice(ordered, [1], [np.iinfo(np.int64).max], [0], shape=("M",)), before))
    group = op.CumSum(op.Concat(constant(np.array([0])), cast(changed, np.int64), axis=0, shape=numbers.shape), constant(0))
    none, ones = (op.Expand(constant(v), shape_of(numbers), shape=numbers.shape) for v in (0.0, 1.0))
    size = op.ScatterND(none, op.Unsqueeze(group, [1]), ones, reduction="add")
    return op.ReduceSum(size * size, keepdims=0)
