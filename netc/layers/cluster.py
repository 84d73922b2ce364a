"""Clusters: k-means, soft assignments, the loss of deep embedded clustering, and a metric for clusters."""

from math import prod

from netc.graph.ir import Value, op, stop
from netc.layers import whole
from netc.layers.context import Context, sizes
from netc.layers.lloyd import squared_distances, update_centers
from netc.registry import layer


def _rows(x: Value) -> Value:
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


@layer(
    "KMeans", tops=(1, 3), own_loss=2, in_place=False, default_tops=("cluster", "distance", "inertia"), whole=whole.mean, fits=True
)  # fmt: skip
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
    rows = stop(_rows(x))
    centers = ctx.statistic("centers", (int(p.num_output), *sizes(rows.shape[1:])))
    squares = squared_distances(rows, centers, op.ReduceMean(centers, [0]))
    tops = op.ArgMin(squares, axis=1, keepdims=0), op.Sqrt(squares)
    if len(ctx.layer.tops) < 3:
        return tops
    if ctx.training:
        update_centers(ctx, rows, centers, int(p.n_init))
    return *tops, _mean_square(ctx, squares)
