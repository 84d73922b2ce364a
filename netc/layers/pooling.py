"""Pooling over (N, C, spatial...), with one to three spatial axes. Caffe's own pooling is over (N, C, H, W)."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, stop
from netc.graph.training_ops.pooling import argmax_in_plane
from netc.layers.context import Context, dims, sizes
from netc.layers.convolution import columns
from netc.layers.shape import merged, reshape
from netc.registry import layer


@dataclass(frozen=True)
class Axis:
    """The windows along one axis: `out` windows, the last of which extends `after` elements beyond the image."""

    kernel: int
    stride: int
    pad: int
    out: int
    after: int
    size: int

    @property
    def lengths(self) -> np.ndarray:
        """The length of each window clipped to the padded image. Caffe's average divides by it."""
        starts = np.arange(self.out) * self.stride - self.pad
        return np.minimum(starts + self.kernel, self.size + self.pad) - starts


@layer("Pooling", stem="pool", tops=(1, 2), places="window")
def pooling(ctx: Context, x: Value) -> Value | tuple[Value, ...]:
    """The maximum (MAX), mean (AVE) or a random element (STOCHASTIC) of each window. Sizes are rounded up unless round_mode is FLOOR.

    MAX: the first maximum of a window gets the gradient. A second top holds its index in the plane (no gradient).
    AVE: padding counts as zeros; positions beyond the padding do not count.
    STOCHASTIC (Zeiler and Fergus 2013), for values of at least 0: in training, an element is drawn with a probability proportional to
    its value. In testing, the output is the mean weighted by these probabilities.
    kernel_shape, strides and pads have one number per axis, for blobs with one or three spatial axes.
    """
    p = ctx.param.pooling_param
    if not 3 <= x.rank <= 5:
        text = f"Expected 3 to 5 axes (N, C, spatial axes). {ctx.layer.bottoms[0]} is {dims(x.shape)}."
        raise ctx.shape_error(text, "bottom")
    axes = [_axis(ctx, p, i, size, x.rank - 2) for i, size in enumerate(sizes(x.shape[2:]))]
    if p.pool == p.STOCHASTIC and any(a.pad for a in axes):
        raise ctx.error("STOCHASTIC pooling has no `pad`.", "pooling_param", "pool")
    if len(ctx.layer.tops) == 1:
        return METHODS[p.pool](ctx, x, axes)
    if p.pool != p.MAX:
        raise ctx.error("Only MAX has a second top, the index of the maximum.", "top", 1)
    y, indices = op.MaxPool(x, **_window(axes), outputs=2)
    return y, argmax_in_plane(indices, prod(a.size for a in axes))


@layer("GlobalPooling", stem="pool")
def global_pooling(ctx: Context, x: Value) -> Value:
    """The mean (AVE) or the maximum (MAX) of each channel: (N, C) from (N, C, spatial...). With `keepdims`, (N, C, 1, ...)."""
    p = ctx.param.global_pooling_param
    if not 3 <= x.rank <= 5:
        raise ctx.shape_error(f"Expected 3 to 5 axes (N, C, spatial axes). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    axes = [Axis(size, 1, 0, 1, 0, size) for size in sizes(x.shape[2:])]
    y = _maximum(ctx, x, axes) if p.pool == p.MAX else _mean(ctx, x, axes)
    return y if p.keepdims else reshape(y, list(x.shape[:2]))


@layer("SPP")
def spatial_pyramid(ctx: Context, x: Value) -> Value:
    """Spatial pyramid pooling (He et al. 2014): pools 1, 4, 16, ... windows that tile the image, and concatenates the results.

    The top has the shape (N, C (4^pyramid_height - 1) / 3). If pyramid_height is 1, it is (N, C, 1, 1).
    """
    p = ctx.param.spp_param
    if x.rank != 4:
        raise ctx.shape_error(f"Expected 4 axes (N, C, H, W). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if not p.pyramid_height:
        raise ctx.error("`pyramid_height` is missing. Add the number of levels, for example `pyramid_height: 3`.", "spp_param")
    levels = [[_bins(ctx, size, 2**level) for size in sizes(x.shape[2:])] for level in range(p.pyramid_height)]
    parts = [METHODS[p.pool](ctx, x, axes) for axes in levels]
    if len(parts) == 1:
        return parts[0]
    return op.Concat(*(reshape(y, [y.shape[0], merged(y.shape[1:])]) for y in parts), axis=1)


def _maximum(ctx: Context, x: Value, axes: list[Axis]) -> Value:
    y: Value = op.MaxPool(x, **_window(axes))
    return y


def _mean(ctx: Context, x: Value, axes: list[Axis]) -> Value:
    mean: Value = op.AveragePool(x, count_include_pad=1, **_window(axes))
    counted = np.ones((), int)
    for axis in axes:
        counted = np.multiply.outer(counted, axis.lengths)
    area = prod(a.kernel for a in axes)
    return mean if (counted == area).all() else mean * constant((area / counted).astype(np.float32))


def _drawn(ctx: Context, x: Value, axes: list[Axis]) -> Value:
    """A random element of each window: the first at which the cumulative sum exceeds u times the total, for uniform u in [0, 1)."""
    window = _window(axes)
    elements = columns(x, window.pop("kernel_shape"), **window)
    spread = reshape(elements, [x.shape[0], x.shape[1], prod(a.kernel for a in axes), *elements.shape[2:]])
    if not ctx.training:
        total = op.ReduceSum(spread, [2], keepdims=0)
        return op.ReduceSum(spread * spread, [2], keepdims=0) / op.Where(total > 0.0, total, constant(np.float32(np.inf)))
    sums = op.CumSum(stop(spread), constant(2))
    draw = ctx.noise("draw", (x.shape[0], x.shape[1], 1, *elements.shape[2:]))
    whole = op.Slice(sums, [-1], [spread.shape[2]], [2])
    first = op.ArgMax(cast(sums > draw * whole, np.float32), axis=2)
    return op.Squeeze(op.GatherElements(spread, first, axis=2), [2])


METHODS: dict[int, Callable[[Context, Value, list[Axis]], Value]] = {
    pb.PoolingParameter.MAX: _maximum, pb.PoolingParameter.AVE: _mean, pb.PoolingParameter.STOCHASTIC: _drawn,
}  # fmt: skip


def _window(axes: list[Axis]) -> dict[str, Any]:
    """The attributes of the windows for ONNX."""
    pads = [a.pad for a in axes] + [a.after for a in axes]
    return {"kernel_shape": [a.kernel for a in axes], "strides": [a.stride for a in axes], "pads": pads}


def _bins(ctx: Context, size: int, bins: int) -> Axis:
    """`bins` adjacent windows along an axis of `size`. The padding that they need is divided between both ends."""
    kernel = ceil(size / bins)
    pad = (kernel * bins - size + 1) // 2
    if pad >= kernel:
        text = f"An axis of {size} cannot be divided into {bins} windows of {kernel}. Use a smaller `pyramid_height`."
        raise ctx.shape_error(text, "spp_param", "pyramid_height")
    return _windows(size, kernel, kernel, pad, False)


def _axis(ctx: Context, p: pb.PoolingParameter, i: int, size: int, rank: int) -> Axis:
    """The windows along spatial axis i of `rank`."""
    kernel, stride, pad = (_number(ctx, p, i, rank, *names) for names in FIELDS)
    if p.global_pooling:
        if kernel or pad or stride != 1:
            raise ctx.error(
                "`global_pooling` pools the whole image. Remove `kernel_size`, `pad` and `stride`.", "pooling_param", "global_pooling"
            )
        kernel = size
    if not kernel:
        missing = f"kernel_{'hw'[i]}" if p.HasField("kernel_h") or p.HasField("kernel_w") else "kernel_size"
        raise ctx.error(f"`{missing}` is missing.", "pooling_param")
    if not stride:
        raise ctx.error("`stride` must be at least 1.", "pooling_param", "stride")
    if pad >= kernel:
        raise ctx.error(f"The pad {pad} must be smaller than the kernel {kernel}.", "pooling_param", "pad")
    floor = p.round_mode == p.FLOOR
    if size + 2 * pad < kernel and (floor or kernel - size - 2 * pad >= stride):
        text = f"A kernel of {kernel} does not fit into {size + 2 * pad} (padding included)."
        raise ctx.shape_error(text, "pooling_param", "kernel_size")
    return _windows(size, kernel, stride, pad, floor)


FIELDS = ("kernel_shape", "kernel_size", "kernel"), ("strides", "stride", "stride"), ("pads", "pad", "pad")


def _number(ctx: Context, p: pb.PoolingParameter, i: int, rank: int, each: str, one: str, stem: str) -> int:
    """The value of a field for spatial axis i: from the list with one number per axis, from _h or _w, or the one for all axes."""
    given, letters = list(getattr(p, each)), [f"{stem}_{letter}" for letter in "hw" if p.HasField(f"{stem}_{letter}")]
    if given and (len(given) != rank or letters or p.HasField(one)):
        raise ctx.error(f"{each} is one number for each of {rank} spatial axes, in place of {one}.", "pooling_param", each)
    if letters and rank != 2:
        raise ctx.error(f"{letters[0]} is for two spatial axes; use {each}.", "pooling_param", letters[0])
    if given:
        return int(given[i])
    return int(getattr(p, f"{stem}_{'hw'[i]}" if rank == 2 and f"{stem}_{'hw'[i]}" in letters else one))


def _windows(size: int, kernel: int, stride: int, pad: int, floor: bool) -> Axis:
    """Caffe's rule: round, then drop a window that starts in the padding. Caffe itself drops it only if there is padding."""
    room = size + 2 * pad - kernel
    out = (room // stride if floor else ceil(room / stride)) + 1
    if (out - 1) * stride >= size + pad:
        out -= 1
    return Axis(kernel, stride, pad, out, max(0, (out - 1) * stride + kernel - size - pad), size)
