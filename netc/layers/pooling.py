"""Pooling over (N, C, H, W)."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from netc import netc_pb2 as pb
from netc.ir import Value, constant, op
from netc.layers.context import Context, dims
from netc.registry import layer
from netc.training_ops.pooling import argmax_in_plane


@dataclass(frozen=True)
class Axis:
    """The windows along one axis: `out` of them, the last reaching `after` beyond the image."""

    kernel: int
    stride: int
    pad: int
    out: int
    after: int
    size: int

    @property
    def lengths(self) -> np.ndarray:
        """Of each window clipped to the padded image: what Caffe's average divides by."""
        starts = np.arange(self.out) * self.stride - self.pad
        return np.minimum(starts + self.kernel, self.size + self.pad) - starts


@layer("Pooling", tops=(1, 2))
def pooling(ctx: Context, x: Value) -> Value | tuple[Value, ...]:
    """The maximum (MAX) or mean (AVE) of each window. The output size is rounded up unless round_mode is FLOOR.

    MAX: the first maximum of a window gets the gradient; a second top holds its index in the plane (no gradient).
    AVE: padding counts as zeros, what lies beyond it does not count.
    """
    p = ctx.param.pooling_param
    if p.pool == p.STOCHASTIC:
        raise ctx.error("STOCHASTIC pooling is not supported; MAX and AVE are", "pooling_param", "pool")
    if x.rank != 4:
        raise ctx.shape_error(f"pools blobs of 4 axes (N, C, H, W); {ctx.layer.bottoms[0]} is {dims(x.shape)}", "bottom")
    rows, columns = (_axis(ctx, p, i, int(x.shape[2 + i])) for i in (0, 1))
    window = {
        "kernel_shape": [rows.kernel, columns.kernel],
        "strides": [rows.stride, columns.stride],
        "pads": [rows.pad, columns.pad, rows.after, columns.after],
    }
    if p.pool == p.MAX:
        y = op.MaxPool(x, **window)
        if len(ctx.layer.tops) == 1:
            return y
        _, indices = op.MaxPool(x, **window, outputs=2)
        return y, argmax_in_plane(indices, rows.size * columns.size)
    if len(ctx.layer.tops) > 1:
        raise ctx.error("only MAX has a second top, the index of the maximum", "top", 1)
    mean = op.AveragePool(x, count_include_pad=1, **window)
    counted = np.outer(rows.lengths, columns.lengths)
    area = rows.kernel * columns.kernel
    return mean if (counted == area).all() else mean * constant((area / counted).astype(np.float32))


def _axis(ctx: Context, p: pb.PoolingParameter, i: int, size: int) -> Axis:
    """The windows along spatial axis i of `size`, by Caffe's rule: round, then drop a window that starts in the padding."""
    letter = "hw"[i]

    def number(field: str, stem: str) -> int:
        return getattr(p, f"{stem}_{letter}") if p.HasField(f"{stem}_{letter}") else getattr(p, field)

    kernel, stride, pad = number("kernel_size", "kernel"), number("stride", "stride"), number("pad", "pad")
    if p.global_pooling:
        if kernel or pad or stride != 1:
            raise ctx.error("global_pooling takes the whole image: no kernel_size, no pad, stride 1", "pooling_param", "global_pooling")
        kernel = size
    if not kernel:
        missing = f"kernel_{letter}" if p.HasField("kernel_h") or p.HasField("kernel_w") else "kernel_size"
        raise ctx.error(f"{missing} is missing", "pooling_param")
    if not stride:
        raise ctx.error("stride must be at least 1", "pooling_param", "stride")
    if pad >= kernel:
        raise ctx.error(f"pad {pad} must be smaller than the kernel {kernel}", "pooling_param", "pad")
    room = size + 2 * pad - kernel
    if room < 0:
        raise ctx.shape_error(f"a kernel of {kernel} does not fit into {size + 2 * pad} (padding counted)", "pooling_param", "kernel_size")
    out = (room // stride if p.round_mode == p.FLOOR else ceil(room / stride)) + 1
    if (out - 1) * stride >= size + pad:
        out -= 1
    return Axis(kernel, stride, pad, out, max(0, (out - 1) * stride + kernel - size - pad), size)
