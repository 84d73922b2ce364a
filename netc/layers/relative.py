"""Relative, which measures a series from its last known value."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.layers.context import Context, dims, sizes
from netc.registry import layer


@layer("Relative", bottoms=(1, 2), several=True)
def relative(ctx: Context, x: Value, window: Value | None = None) -> Value:
    """(x - last) / std: a series measured from the last known value of its window (N, steps, targets), in standard deviations.

    With one bottom, x is the window itself; a gap in it (NaN) counts as the value before it. With a second bottom, x (N, horizon x targets)
    is measured from that window. With `inverse`, x std + last turns a forecast back. `std` is the deviation of each target over the
    training rows. As in NLinear (Zeng et al. 2023).
    """
    inverse = ctx.param.relative_param.inverse
    if inverse and window is None:
        raise ctx.error("With `inverse`, the second bottom must be the window.", "bottom")
    name = ctx.layer.bottoms[-1]
    spec = ctx.described.get(name)
    if spec is None or not spec.std or len(spec.shape) != 2:
        raise ctx.error(f"{name!r} is not a window of a series. It is the third top of a Table with `series`.", "bottom")
    steps, targets = spec.sizes
    filled = _filled(x if window is None else window, steps, np.asarray(spec.mean, np.float32))
    std = constant(np.asarray(spec.std, np.float32))
    last = op.Slice(filled, [-1], [steps], [1])  # (N, 1, targets)
    if window is None:
        return (filled - last) / std
    values = 1
    for size in sizes(x.shape[1:]):
        values *= size
    if values % targets:
        text = f"{ctx.layer.bottoms[0]} is {dims(x.shape)}. Expected a multiple of {targets}, the number of targets in {name!r}."
        raise ctx.shape_error(text, "bottom")
    x = op.Reshape(x, [-1, values // targets, targets], shape=(x.shape[0], values // targets, targets))
    return x * std + last if inverse else (x - last) / std


def _filled(window: Value, steps: int, mean: np.ndarray) -> Value:
    """The window (N, steps, targets) with each gap filled by the value before it, else by the first value, else by the mean."""
    rows = np.arange(steps, dtype=np.int64)[:, None]
    missing = op.IsNaN(window)
    known = op.Where(missing, constant(np.int64(-1)), constant(rows))  # the row of each value, -1 for a gap
    before = op.Unsqueeze(op.Transpose(known, perm=[0, 2, 1]), [2])  # (N, targets, 1, steps)
    reach = constant(rows >= rows.T)  # row i sees rows up to i
    newest = op.ReduceMax(op.Where(reach, before, constant(np.int64(-1))), [3], keepdims=0)  # (N, targets, steps)
    first = op.ReduceMin(op.Where(missing, constant(np.int64(steps)), constant(rows)), [1], keepdims=0)  # (N, targets)
    chosen = op.Max(op.Transpose(newest, perm=[0, 2, 1]), op.Unsqueeze(op.Mod(first, constant(np.int64(steps))), [1]))
    plain = op.Where(missing, constant(mean), window)
    return cast(op.GatherElements(plain, chosen, axis=1), np.float32)
