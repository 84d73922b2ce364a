"""Fully connected layers."""

from math import prod

from netc.graph.ir import Value, op, symbolic
from netc.layers.context import Context, sizes
from netc.layers.shape import axis_of
from netc.registry import layer


@layer("InnerProduct", stem="ip", linear=True)
def inner_product(ctx: Context, x: Value) -> Value:
    """A fully connected layer: y = x W' + b over all axes from `axis` on, which become one axis of num_output.

    W has the shape (num_output, inputs), or (inputs, num_output) with `transpose`.
    """
    p = ctx.param.inner_product_param
    if not p.num_output:
        raise ctx.error("`num_output` is missing. Add the number of outputs, for example `num_output: 10`.", "inner_product_param")
    axis = axis_of(ctx, p.axis, x, "inner_product_param", "axis")
    size = prod(sizes(x.shape[axis:]))
    w = ctx.weight("weight", (size, p.num_output) if p.transpose else (p.num_output, size), p.weight_filler)
    b = ctx.weight("bias", (p.num_output,), p.bias_filler) if p.bias_term else None
    if axis == 1:
        flat = x if x.rank == 2 else op.Reshape(x, [0, size])
        return op.Gemm(flat, w, *([b] if b else []), transB=int(not p.transpose))
    flat = x if x.rank == axis + 1 else op.Reshape(x, [*[0] * axis, size] if axis else [1, size])
    y = affine(flat, w, b, p.transpose)
    return y if axis else op.Reshape(y, [p.num_output])


def affine(x: Value, w: Value, b: Value | None = None, transpose: bool = False) -> Value:
    """x w' + b over the last axis of x, with w (outputs, inputs); with `transpose`, x w + b. One matrix product if the sizes are known."""
    outputs, inputs = (int(d) for d in (w.shape[::-1] if transpose else w.shape))
    if symbolic(x):
        y = op.MatMul(x, w if transpose else op.Transpose(w, perm=[1, 0]))
        return y if b is None else y + b
    rows = x if x.rank == 2 else op.Reshape(x, [-1, inputs])
    y = op.Gemm(rows, w, *([] if b is None else [b]), transB=int(not transpose))
    return y if x.rank == 2 else op.Reshape(y, [*map(int, x.shape[:-1]), outputs])
