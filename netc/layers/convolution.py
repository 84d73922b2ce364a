"""Convolution and its transpose, over any number of spatial axes."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, constant, op
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import axis_of, merged, reshape
from netc.registry import layer


@dataclass(frozen=True)
class Window:
    """Kernel, stride, pad and dilation of each spatial axis."""

    kernel: list[int]
    stride: list[int]
    pad: list[int]
    dilation: list[int]

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes for ONNX, whose pads are the starts, then the ends."""
        return {"strides": self.stride, "pads": self.pad * 2, "dilations": self.dilation}


@layer("Convolution", stem="conv", bottoms=(1, None), tops=(1, None), places="window", linear=True)
def convolution(ctx: Context, *xs: Value) -> tuple[Value, ...]:
    """y = x * W + b (cross-correlation) over the axes after `axis`. Output size: floor((in + 2 pad - dilated kernel) / stride) + 1.

    W has the shape (num_output, channels / group, kernel...). Several bottoms share the weights.
    """
    w, b, window = _weights(ctx, ctx.param.convolution_param, xs, transposed=False)
    return tuple(_apply(ctx, x, lambda x: op.Conv(x, w, b, group=ctx.param.convolution_param.group, **window.attrs)) for x in xs)


@layer("DepthwiseConvolution", "ConvolutionDepthwise", stem="conv", places="window", linear=True, messages=("convolution_param",))
def depthwise_convolution(ctx: Context, x: Value) -> Value:
    """A convolution of each channel with a kernel of its own: Convolution with as many groups as channels (Howard et al. 2017).

    W has the shape (num_output, 1, kernel...). `group` can be unset, and `num_output` too if it is the number of channels.
    """
    p = pb.ConvolutionParameter()
    p.CopyFrom(ctx.param.convolution_param)
    axis = axis_of(ctx, p.axis, x, "convolution_param", "axis")
    (channels,) = sizes(x.shape[axis : axis + 1])
    if p.HasField("group") and p.group != channels:
        text = f"`group` is {p.group}. Expected {channels}, the number of channels of {ctx.layer.bottoms[0]}, or no `group`."
        raise ctx.error(text, "convolution_param", "group")
    p.group, p.num_output = channels, p.num_output or channels
    w, b, window = _weights(ctx, p, (x,), transposed=False)
    return _apply(ctx, x, lambda x: op.Conv(x, w, b, group=channels, **window.attrs))


@layer("Deconvolution", stem="deconv", bottoms=(1, None), tops=(1, None), places="transposed", linear=True, messages=("convolution_param",))
def deconvolution(ctx: Context, *xs: Value) -> tuple[Value, ...]:
    """The transpose of Convolution. Output size: stride (in - 1) + dilated kernel - 2 pad.

    W has the shape (channels, num_output / group, kernel...).
    """
    w, b, window = _weights(ctx, ctx.param.convolution_param, xs, transposed=True)
    return tuple(_apply(ctx, x, lambda x: op.ConvTranspose(x, w, b, group=ctx.param.convolution_param.group, **window.attrs)) for x in xs)


@layer("SeparableConvolution", stem="conv", places="window", messages=("convolution_param", "separable_convolution_param"))
def separable_convolution(ctx: Context, x: Value) -> Value:
    """A convolution of each channel with kernels of its own, followed by one with 1 x 1 kernels that mixes channels (Chollet 2017).

    The weights are (C depth_multiplier, 1, kernel...) and (num_output, C depth_multiplier, 1, ...), as in Keras, and one bias. A weight
    without a filler starts with xavier.
    """
    p, own = ctx.param.convolution_param, ctx.param.separable_convolution_param
    if x.rank < 3:
        raise ctx.shape_error(f"Expected N x C x spatial axes. {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    if not p.num_output:
        raise ctx.error("`num_output` is missing. Add the number of channels.", "convolution_param")
    if not own.depth_multiplier:
        raise ctx.error("`depth_multiplier` must be at least 1.", "separable_convolution_param", "depth_multiplier")
    if p.group != 1 or p.axis not in (1, 1 - x.rank):
        field = "group" if p.group != 1 else "axis"
        raise ctx.error(f"SeparableConvolution has no `{field}`: each channel is a group of its own.", "convolution_param", field)
    (channels,), window = sizes(x.shape[1:2]), _window(ctx, p, x.rank - 2)
    _check_fits(ctx, x, 1, window, transposed=False)
    depth = p.weight_filler if p.HasField("weight_filler") else pb.FillerParameter(type="xavier")
    point = own.pointwise_filler if own.HasField("pointwise_filler") else depth
    wide = channels * own.depth_multiplier
    w = ctx.weight("depthwise", (wide, 1, *window.kernel), depth)
    mix = ctx.weight("pointwise", (p.num_output, wide, *[1] * len(window.kernel)), point)
    b = ctx.weight("bias", (p.num_output,), p.bias_filler) if p.bias_term else None
    y: Value = op.Conv(op.Conv(x, w, group=channels, **window.attrs), mix, b)
    return y


@layer("Im2col", places="window", messages=("convolution_param",))
def im2col(ctx: Context, x: Value) -> Value:
    """Copies the elements under each kernel position into channels: (N, C kernel..., out...), with any number of spatial axes."""
    p = ctx.param.convolution_param
    axis = axis_of(ctx, p.axis, x, "convolution_param", "axis")
    window = _window(ctx, p, x.rank - axis - 1)
    _check_fits(ctx, x, axis, window, transposed=False)
    return _apply(ctx, x, lambda x: columns(x, window.kernel, **window.attrs))


def columns(x: Value, kernel: list[int], **window: Any) -> Value:
    """x (N, C, spatial...) as (N, C * kernel..., out...): each channel is convolved with filters that contain a single 1."""
    (channels,), size = sizes(x.shape[1:2]), prod(kernel)
    ones = np.eye(size, dtype=np.float32).reshape(size, 1, *kernel)
    y: Value = op.Conv(x, constant(np.tile(ones, (channels, *[1] * (x.rank - 1)))), group=channels, **window)
    return y


def _weights(
    ctx: Context, p: pb.ConvolutionParameter, xs: tuple[Value, ...], transposed: bool
) -> tuple[Value, Value | None, Window]:  # fmt: skip
    """W, the bias and the window for bottoms, which must all have one shape."""
    x, bottoms = xs[0], ctx.layer.bottoms
    for name, other in zip(bottoms, xs, strict=True):
        if other.shape != x.shape:
            raise ctx.shape_error(
                f"All bottoms must have the same shape, but {name} is {dims(other.shape)} and {bottoms[0]} is {dims(x.shape)}.", "bottom"
            )
    if len(ctx.layer.tops) != len(xs):
        raise ctx.error(f"It has {len(xs)} bottoms and {len(ctx.layer.tops)} tops. Expected one top for each bottom.", "top")
    if not p.num_output:
        raise ctx.error("`num_output` is missing. Add the number of filters, for example `num_output: 20`.", "convolution_param")
    axis = axis_of(ctx, p.axis, x, "convolution_param", "axis")
    (channels,), rank = sizes(x.shape[axis : axis + 1]), x.rank - axis - 1
    if not p.group or channels % p.group or p.num_output % p.group:
        text = f"`group` is {p.group}, which must divide the {channels} input channels and `num_output`, {p.num_output}."
        raise ctx.error(text, "convolution_param", "group")
    window = _window(ctx, p, rank)
    lead = (channels, p.num_output // p.group) if transposed else (p.num_output, channels // p.group)
    w = ctx.weight("weight", (*lead, *window.kernel[:rank]), p.weight_filler)
    b = ctx.weight("bias", (p.num_output,), p.bias_filler) if p.bias_term else None
    _check_fits(ctx, x, axis, window, transposed)
    return w if rank else op.Reshape(w, [*lead, 1]), b, window


def _window(ctx: Context, p: pb.ConvolutionParameter, rank: int) -> Window:
    """The window from Caffe's fields: one number for all axes, one per axis, or _h and _w for two axes."""

    def numbers(field: str, default: int | None) -> list[int]:
        values, stem = list(getattr(p, field)), field.removesuffix("_size")
        if p.HasField(f"{stem}_h") or p.HasField(f"{stem}_w"):
            if values or rank != 2:
                raise ctx.error(
                    f"`{stem}_h` and `{stem}_w` are for two spatial axes, and replace `{field}`.", "convolution_param", f"{stem}_h"
                )
            if default is None and not (p.HasField(f"{stem}_h") and p.HasField(f"{stem}_w")):
                raise ctx.error(f"Only one of `{stem}_h` and `{stem}_w` is set. Set both.", "convolution_param")
            values = [getattr(p, f"{stem}_h"), getattr(p, f"{stem}_w")]
        return spread(field, values, default)

    def spread(field: str, values: list[int], default: int | None) -> list[int]:
        if not values and default is None and rank:
            raise ctx.error(f"`{field}` is missing.", "convolution_param")
        values = values or [default or 1]
        if len(values) not in (1, rank) and rank:
            raise ctx.error(
                f"There are {len(values)} `{field}` for {rank} spatial axes. Add one for all, or one for each.", "convolution_param", field
            )
        if field != "pad" and min(values) < 1:
            raise ctx.error(f"`{field}` must be at least 1.", "convolution_param", field)
        return values * rank if len(values) == 1 else values

    pad = numbers("pad", 0) if p.pad or p.HasField("pad_h") or p.HasField("pad_w") else [0] * rank
    window = Window(numbers("kernel_size", None), numbers("stride", 1), pad, spread("dilation", list(p.dilation), 1))
    return window if rank else Window([1], [1], [0], [1])


def _check_fits(ctx: Context, x: Value, axis: int, window: Window, transposed: bool) -> None:
    for size, k, s, p, d in zip(x.shape[axis + 1 :], window.kernel, window.stride, window.pad, window.dilation, strict=False):
        extent, bottom = d * (k - 1) + 1, f"{ctx.layer.bottoms[0]} is {dims(x.shape)}"
        if not transposed and isinstance(size, int) and size + 2 * p < extent:
            text = f"A kernel of {extent} does not fit into {size + 2 * p} ({bottom}, padding included)."
            raise ctx.shape_error(text, "convolution_param", "kernel_size")
        if transposed and isinstance(size, int) and s * (size - 1) + extent <= 2 * p:
            raise ctx.shape_error(f"A pad of {p} leaves nothing of {s * (size - 1) + extent} ({bottom}).", "convolution_param", "pad")


def _apply(ctx: Context, x: Value, convolve: Callable[[Value], Value]) -> Value:
    """Apply a convolution with all axes before `axis` as the batch, and at least one spatial axis."""
    axis = ctx.param.convolution_param.axis % x.rank
    spatial = list(x.shape[axis + 1 :])
    if axis == 1 and spatial:
        return convolve(x)
    y = convolve(reshape(x, [merged(x.shape[:axis]), x.shape[axis], *(spatial or [1])]))
    return reshape(y, [*x.shape[:axis], y.shape[1], *(y.shape[2:] if spatial else [])])
