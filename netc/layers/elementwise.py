"""Layers that combine blobs element by element, or with a learned blob that broadcasts."""

from functools import reduce

from netc import netc_pb2 as pb
from netc.graph.ir import TRAINING, Value, op
from netc.graph.training_ops.normalization import batch_norm
from netc.layers.context import Context, dims, sizes
from netc.layers.shape import axis_of
from netc.registry import layer


@layer("Eltwise", bottoms=(2, None), places="same")
def eltwise(ctx: Context, *xs: Value) -> Value:
    """The sum (weighted by `coeff`), product or maximum of blobs of equal shape.

    If the first two values are equal, MAX gives the gradient to the second.
    """
    p = ctx.param.eltwise_param
    for name, x in zip(ctx.layer.bottoms, xs, strict=True):
        if x.shape != xs[0].shape:
            raise ctx.shape_error(
                f"All bottoms must have the same shape, but {name} is {dims(x.shape)} and {ctx.layer.bottoms[0]} is {dims(xs[0].shape)}.",
                "bottom",
            )
    if p.coeff and (len(p.coeff) != len(xs) or p.operation == p.PROD):
        operation = pb.EltwiseParameter.EltwiseOp.Name(p.operation)
        raise ctx.error(
            f"There are {len(p.coeff)} `coeff` for {len(xs)} bottoms of {operation}. Only SUM has them, one for each bottom.",
            "eltwise_param",
            "coeff",
        )
    if p.operation == p.MAX:
        return op.Max(*xs)
    if p.operation == p.PROD:
        return reduce(lambda a, b: a * b, xs)
    terms = [x if c == 1 else x * c for x, c in zip(xs, p.coeff or [1.0] * len(xs), strict=True)]
    return reduce(lambda a, b: a + b, terms)


def _broadcast(ctx: Context, v: Value, x: Value, axis: int) -> Value:
    """v with axes of size 1 appended, so that its first axis aligns with `axis` of x."""
    if any(a != b for a, b in zip(v.shape, x.shape[axis : axis + v.rank], strict=False)) or axis + v.rank > x.rank:
        first, second = ctx.layer.bottoms
        text = f"{second} of shape {dims(v.shape)} does not fit {first} of shape {dims(x.shape)} from axis {axis}."
        raise ctx.shape_error(text, "bottom", 1)
    trailing = x.rank - axis - v.rank
    return op.Reshape(v, [*[0] * v.rank, *[1] * trailing], shape=(*v.shape, *[1] * trailing)) if trailing and v.rank else v


def _learned_shape(ctx: Context, x: Value, axis: int, num_axes: int, field: str) -> tuple[int, ...]:
    end = x.rank if num_axes < 0 else axis + num_axes
    if end > x.rank:
        raise ctx.error(f"Axes {axis} to {end} of {dims(x.shape)}, which has {x.rank}.", field, "num_axes")
    return sizes(x.shape[axis:end])


@layer("Scale", bottoms=(1, 2), places="same")
def scale(ctx: Context, x: Value, factor: Value | None = None) -> Value:
    """y = x * factor (+ bias with bias_term), broadcast from `axis` on. The factor is the second bottom, or trainable and initially 1."""
    p = ctx.param.scale_param
    axis = axis_of(ctx, p.axis, x, "scale_param", "axis") if factor is None or factor.rank else 0
    if factor is None:
        filler = p.filler if p.HasField("filler") else pb.FillerParameter(value=1)
        factor = ctx.weight("scale", _learned_shape(ctx, x, axis, p.num_axes, "scale_param"), filler)
    bias = ctx.weight("bias", sizes(factor.shape), p.bias_filler) if p.bias_term else None
    if x.node.key == (TRAINING, "BatchNorm") and len(x.node.inputs) == 3 and axis == 1 and factor.shape == x.shape[1:2]:
        images, mean, inverse_std = x.node.operands
        return batch_norm(images, mean, inverse_std, factor, bias)  # a BatchNorm followed by a Scale is one op
    y = x * _broadcast(ctx, factor, x, axis)
    return y if bias is None else y + _broadcast(ctx, bias, x, axis)


@layer("Bias", bottoms=(1, 2), places="same")
def bias(ctx: Context, x: Value, term: Value | None = None) -> Value:
    """y = x + bias, broadcast from `axis` on. The bias is the second bottom, or trainable and initially 0."""
    p = ctx.param.bias_param
    axis = axis_of(ctx, p.axis, x, "bias_param", "axis") if term is None or term.rank else 0
    if term is None:
        term = ctx.weight("bias", _learned_shape(ctx, x, axis, p.num_axes, "bias_param"), p.filler)
    return x + _broadcast(ctx, term, x, axis)


@layer("Axpy", bottoms=(3, 3), places="same")
def axpy(ctx: Context, a: Value, x: Value, y: Value) -> Value:
    """a x + y, with one number a for each channel of each image, as squeeze-and-excitation nets need it (Hu et al. 2018)."""
    if x.shape != y.shape:
        names = ctx.layer.bottoms
        text = f"{names[1]} is {dims(x.shape)}, and {names[2]} is {dims(y.shape)}. Expected the same shape."
        raise ctx.shape_error(text, "bottom", 2)
    if x.rank < 2 or a.rank < 2 or a.shape[:2] != x.shape[:2] or any(d != 1 for d in a.shape[2:]):
        names = ctx.layer.bottoms
        text = f"{names[0]} is {dims(a.shape)}. Expected one number for each channel of {names[1]}, which is {dims(x.shape)}."
        raise ctx.shape_error(text, "bottom", 0)
    spread = a if a.rank == x.rank else op.Reshape(a, [0, 0, *[1] * (x.rank - 2)], shape=(*a.shape[:2], *[1] * (x.rank - 2)))
    return spread * x + y
