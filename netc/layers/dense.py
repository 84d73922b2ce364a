"""Fully connected layers."""

from math import prod

from netc.graph.ir import Value, op
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
    kept = x.shape[:axis]
    flat = x if x.rank == axis + 1 else op.Reshape(x, [*[0] * axis, size] if axis else [1, size])
    y = op.MatMul(flat, w if p.transpose else op.Transpose(w, perm=[1, 0]))
    y = y if b is None else y + b
    return y if axis else op.Reshape(y, [*kept, p.num_output])
