"""Layers that normalise each row or image on its own, so that they do the same in training and afterwards."""

from collections.abc import Callable
from functools import partial
from math import prod

from netc import netc_pb2 as pb
from netc.graph.ir import Value, op, shape_of
from netc.graph.training_ops import layer_norm as ops
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import axis_of
from netc.registry import layer

ONE, ZERO = pb.FillerParameter(value=1), pb.FillerParameter(value=0)


@layer("LayerNorm", stem="norm")
def layer_norm(ctx: Context, x: Value) -> Value:
    """(x - mean) / sqrt(variance + eps) over the axes from `axis` on, times a scale, plus a bias (Ba et al. 2016)."""
    p = ctx.param.layer_norm_param
    axis = axis_of(ctx, p.axis, x, "layer_norm_param", "axis")
    if p.HasField("bias_term") and p.bias_term and not p.affine:
        raise ctx.error("`bias_term` needs `affine: true`.", "layer_norm_param", "bias_term")
    size = sizes(x.shape[axis:])
    scale = ctx.weight("scale", size, ONE) if p.affine else None
    bias = ctx.weight("bias", size, ZERO) if p.affine and p.bias_term else None
    return _over_last(x, axis, scale, bias, norm=partial(ops.layer_norm, epsilon=p.eps))


@layer("RMSNorm", stem="norm")
def rms_norm(ctx: Context, x: Value) -> Value:
    """x / sqrt(mean of x^2 + eps) over the axes from `axis` on, times a scale (Zhang and Sennrich 2019)."""
    p = ctx.param.rms_norm_param
    axis = axis_of(ctx, p.axis, x, "rms_norm_param", "axis")
    scale = ctx.weight("scale", sizes(x.shape[axis:]), ONE) if p.affine else None
    return _over_last(x, axis, scale, norm=partial(ops.rms_norm, epsilon=p.eps))


def _over_last(x: Value, axis: int, *affine: Value | None, norm: Callable[..., Value]) -> Value:
    """The result of `norm`, which works along the last axis, with the axes from `axis` on as one."""
    if axis == x.rank - 1:
        return norm(x, *affine)
    size = prod(sizes(x.shape[axis:]))
    flat = op.Reshape(x, [*[0] * axis, size] if axis else [1, size], shape=(*x.shape[:axis], size) if axis else (1, size))
    y = norm(flat, *(a if a is None else op.Reshape(a, [size]) for a in affine))
    return op.Reshape(y, shape_of(x), shape=x.shape)


@layer("GroupNorm", stem="norm", places="same")
def group_norm(ctx: Context, x: Value) -> Value:
    """Normalises each group of channels of each image to mean 0 and variance 1 (Wu and He 2018). A scale and a bias by channel follow."""
    p = ctx.param.group_norm_param
    if not p.group:
        raise ctx.error("`group` is missing. Add the number of groups of channels, for example `group: 8`.", "group_norm_param")
    channels = _channels(ctx, x, 2)
    if channels % p.group:
        raise ctx.error(f"`group` is {p.group}, which must divide the {channels} channels of {ctx.layer.bottoms[0]} ({dims(x.shape)}).",
                        "group_norm_param", "group")  # fmt: skip
    return ops.group_norm(x, *_affine(ctx, channels, p.affine), group=p.group, epsilon=p.eps)


@layer("InstanceNorm", stem="norm", places="same")
def instance_norm(ctx: Context, x: Value) -> Value:
    """Normalises each channel of each image to mean 0 and variance 1 (Ulyanov et al. 2016). With `affine`, scale and bias follow."""
    p = ctx.param.instance_norm_param
    channels = _channels(ctx, x, 3)
    return ops.group_norm(x, *_affine(ctx, channels, p.affine), group=channels, epsilon=p.eps)


def _channels(ctx: Context, x: Value, least: int) -> int:
    if x.rank < least:
        raise ctx.shape_error(f"Expected {least} axes or more (N, C, ...). {ctx.layer.bottoms[0]} is {dims(x.shape)}.", "bottom")
    return sizes(x.shape[1:2])[0]


def _affine(ctx: Context, channels: int, wanted: bool) -> tuple[Value | None, Value | None]:
    if not wanted:
        return None, None
    return ctx.weight("scale", (channels,), ONE), ctx.weight("bias", (channels,), ZERO)
