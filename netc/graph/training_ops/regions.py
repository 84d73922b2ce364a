"""Max pooling of regions: each region of an image is divided into bins (Girshick 2015).

Regions are (R, 5): row of the image, x1, y1, x2, y2. Rounding is that of ONNX's MaxRoiPool and of Fast R-CNN's roi_pooling_layer.cpp.
"""

from math import inf, prod

import numpy as np

from netc.errors import ShapeError
from netc.graph.ir import Value, cast, constant, op, shape_of, symbolic, zeros_like
from netc.graph.training_ops.define import CPU, body, training_op
from netc.graph.training_ops.loop import Values, scan

LEAST = np.float32(-inf)
Bounds = tuple[Value, Value]  # the first cell of each bin, and the one after the last


@training_op("RoiPool", typed_by=CPU)
def roi_pool(x: Value, rois: Value, *, pooled: list[int], scale: float) -> Value:
    """The largest elements of the bins: (R, C, *pooled). 0 for a bin without cells. x is (N, C, H, W)."""
    places, filled = _maxima(x, rois, pooled, scale)
    y: Value = op.Where(filled, op.Gather(_flat(x), places, axis=0), constant(0.0))
    return y


@body("RoiPool", CPU)
def roi_pool_cpu(x: Value, rois: Value, *, pooled: list[int], scale: float) -> Value:
    """ONNX's own op, which CUDA lacks."""
    y: Value = op.MaxRoiPool(x, rois, pooled_shape=pooled, spatial_scale=scale)
    return y


@training_op("RoiPoolGrad")
def roi_pool_grad(x: Value, rois: Value, dy: Value, *, pooled: list[int], scale: float) -> Value:
    """The gradient with respect to x: each dy goes to the first maximum of its bin, row by row."""
    places, filled = _maxima(x, rois, pooled, scale)
    into = _flat(zeros_like(x))
    dx = op.ScatterElements(into, _flat(places), _flat(op.Where(filled, dy, constant(0.0))), reduction="add")
    return op.Reshape(dx, shape_of(x), shape=x.shape)


def _maxima(x: Value, rois: Value, pooled: list[int], scale: float) -> tuple[Value, Value]:
    """Where the maximum of each bin is among all elements of x, (R, C, PH, PW) int64, and whether the bin has cells, (R, 1, PH, PW)."""
    if any(isinstance(d, str) for d in x.shape[1:]):
        raise ShapeError(f"The regions of {x.type} need its height and width in numbers.")
    c, height, width = map(int, x.shape[1:])
    channels = constant(np.arange(c, dtype=np.int64)[:, None, None] * (height * width))

    def step(states: Values, slices: Values) -> tuple[Values, Values]:
        (roi,) = slices
        image = cast(op.Slice(roi, [0], [1]), np.int64)
        rows, columns = _bins(roi, 1, pooled[0], scale, height), _bins(roi, 0, pooled[1], scale, width)
        plane = op.Squeeze(op.Gather(x, image, axis=0), [0])
        value, column = _along(plane, 2, columns)  # (C, H, PW)
        row = _along(value, 1, rows)[1]  # (C, PH, PW)
        column = op.GatherElements(column, row, axis=1)
        place = image * (c * height * width) + channels + row * width + column
        filled = op.And(op.Unsqueeze(rows[1] > rows[0], [1]), op.Unsqueeze(columns[1] > columns[0], [0]))
        return (), (op.Where(filled, place, constant(0)), op.Unsqueeze(filled, [0]))

    places, filled = scan(step, (), [rois])[1]
    return places, filled


def _bins(roi: Value, axis: int, count: int, scale: float, limit: int) -> Bounds:
    """The cells of the bins of one region (5,) along x (axis 0) or y: (count,) int64 each."""
    first, last = (rounded(op.Slice(roi, [k + axis], [k + axis + 1]) * np.float32(scale)) for k in (1, 3))
    size = op.Max(last - first + 1.0, 1.0) / np.float32(count)
    numbers = constant(np.arange(count, dtype=np.float32))
    low, high = op.Floor(numbers * size), op.Ceil((numbers + 1.0) * size)
    a, b = (cast(op.Clip(v + first, 0.0, float(limit)), np.int64) for v in (low, high))
    return a, b


def rounded(x: Value) -> Value:
    """The nearest whole number. Halves go away from 0, as C's round does."""
    whole = op.Floor(op.Abs(x))
    return op.Sign(x) * (whole + cast(op.GreaterOrEqual(op.Abs(x) - whole, 0.5), np.float32))


def _along(x: Value, axis: int, bins: Bounds) -> tuple[Value, Value]:
    """The maxima of the bins along an axis of x, which takes their place, and where on the axis each is first."""
    low, high = bins
    count, n = int(low.shape[0]), int(x.shape[axis])
    widest = op.ReduceMax(high - low, keepdims=0)
    offsets = op.Range(constant(0), op.Max(widest, constant(1)), constant(1), shape=("cells",))
    places = op.Unsqueeze(low, [1]) + op.Unsqueeze(offsets, [0])  # (count, cells)
    inside = op.Less(places, op.Unsqueeze(high, [1]))
    parts = op.Gather(x, op.Min(places, constant(n - 1)), axis=axis)
    parts = op.Where(op.Unsqueeze(inside, list(range(2, 2 + x.rank - 1 - axis))), parts, constant(LEAST))
    best = op.ArgMax(parts, axis=axis + 1, keepdims=0)
    start = op.Unsqueeze(low, list(range(1, x.rank - axis)))
    value = op.ReduceMax(parts, [axis + 1], keepdims=0)
    place = op.Min(best + start, constant(n - 1))
    assert value.shape[axis] == count
    return value, place


def _flat(x: Value) -> Value:
    return op.Reshape(x, [-1], shape=("elements",) if symbolic(x) else [prod(map(int, x.shape))])
