"""Layers over trees. The vector of a node is computed from those of its two children, with the same weights at every node."""

import numpy as np

from netc.graph.ir import Value, cast
from netc.graph.training_ops.recursive import recursive
from netc.layers.context import Context, dims
from netc.registry import layer


@layer("RecursiveTensor", stem="recursive", messages=("recursive_param",), bottoms=(3, 3), in_place=False)
def recursive_tensor(ctx: Context, leaf: Value, child: Value, width: Value) -> Value:
    """p = tanh(z' V z + W z + b), where z holds the vectors of the two children: a recursive neural tensor network (Socher et al. 2013).

    Bottoms: the vectors of the leaves (leaves, d), and `child` and `width` from TreeData. The top (nodes, d) holds the leaves, unchanged,
    and the inner nodes by height. Blobs: W (d, 2d), b (d,), V (d, 2d, 2d).
    """
    return _recursive(ctx, leaf, child, width, tensor=True)


@layer("RecursiveNet", stem="recursive", messages=("recursive_param",), bottoms=(3, 3), in_place=False)
def recursive_net(ctx: Context, leaf: Value, child: Value, width: Value) -> Value:
    """p = tanh(W z + b), where z holds the vectors of the two children: the recursive net of Socher et al. (2011).

    It is RecursiveTensor without V.
    """
    return _recursive(ctx, leaf, child, width, tensor=False)


def _recursive(ctx: Context, leaf: Value, child: Value, width: Value, tensor: bool) -> Value:
    names = ctx.layer.bottoms
    if leaf.rank != 2 or not isinstance(leaf.shape[1], int):
        raise ctx.shape_error(f"{names[0]} is {dims(leaf.shape)}; the vectors of the leaves are (leaves, size).", "bottom", 0)
    if child.rank != 2 or child.shape[1] != 2:
        raise ctx.shape_error(f"{names[1]} is {dims(child.shape)}; the children of the inner nodes are (inner, 2).", "bottom", 1)
    if width.rank != 1 or not isinstance(width.shape[0], int):
        raise ctx.shape_error(
            f"{names[2]} is {dims(width.shape)}; the widths of the levels are (levels,), their number known.", "bottom", 2
        )
    p, size = ctx.param.recursive_param, leaf.shape[1]
    w = ctx.weight("weight", (size, 2 * size), p.weight_filler)
    b = ctx.weight("bias", (size,), p.bias_filler)
    v = [ctx.weight("tensor", (size, 2 * size, 2 * size), p.tensor_filler)] if tensor else []
    found = recursive(leaf, cast(child, np.int64), cast(width, np.int64), w, b, *v)
    nodes: Value = found[0] if isinstance(found, tuple) else found
    return nodes
