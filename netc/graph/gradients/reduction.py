"""Gradients of ops that reduce axes, or compute along them."""

from math import prod

import numpy as np

from netc.graph.gradients.common import Gradients, numbers, only, product_of_others
from netc.graph.ir import Node, Value, cast, constant, op, shape_of
from netc.registry import gradient


def _axes(node: Node) -> list[int]:
    """The axes that a node reduces: by default, or with an empty list, all of them."""
    rank, axes = node.operands[0].rank, numbers(node, 1, "axes")
    if not axes:
        return [] if node.attrs.get("noop_with_empty_axes", 0) else list(range(rank))
    return [a % rank for a in axes]


def _kept(node: Node, v: Value) -> Value:
    """The output or its gradient with the reduced axes restored with size 1, so that it broadcasts against the input."""
    x, axes = node.operands[0], _axes(node)
    if node.attrs.get("keepdims", 1):
        return v
    missing = [i for i in range(x.rank) if i in axes]
    known = [1 if i in axes else n for i, n in enumerate(x.shape)]
    return op.Unsqueeze(v, missing) if any(isinstance(n, str) for n in known) else op.Reshape(v, known)


@gradient("ReduceSum")
def reduce_sum(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return only(node, op.Expand(_kept(node, dy), shape_of(x), shape=x.shape))


@gradient("ReduceMean")
def reduce_mean(node: Node, dy: Value) -> Gradients:
    x, y = node.operands[0], node.outputs[0]
    sizes = [x.shape[a] for a in _axes(node)]
    if any(isinstance(n, str) for n in sizes):
        share: float | Value = cast(op.Size(y), np.float32) / cast(op.Size(x), np.float32)
    else:
        share = 1 / prod(map(int, sizes))
    return only(node, op.Expand(_kept(node, dy) * share, shape_of(x), shape=x.shape))


@gradient("ReduceMax", "ReduceMin")
def reduce_extreme(node: Node, dy: Value) -> Gradients:
    """The elements that equal the result share the gradient."""
    hit, axes = cast(op.Equal(node.operands[0], _kept(node, node.outputs[0])), dy.dtype), _axes(node)
    return only(node, _kept(node, dy) / op.ReduceSum(hit, axes, noop_with_empty_axes=1) * hit)


@gradient("ReduceProd")
def reduce_prod(node: Node, dy: Value) -> Gradients:
    """Each element gets the product of the others, which is not 0 if it is the only 0."""
    x, axes = node.operands[0], _axes(node)
    zero = op.Equal(x, constant(0, x.dtype))
    some = op.Where(zero, constant(1, x.dtype), x)
    product, zeros = (op.ReduceProd(some, axes, noop_with_empty_axes=1), op.ReduceSum(cast(zero, x.dtype), axes, noop_with_empty_axes=1))
    return only(node, _kept(node, dy) * product_of_others(x, product, zeros))


@gradient("ReduceL1")
def reduce_l1(node: Node, dy: Value) -> Gradients:
    return only(node, _kept(node, dy) * op.Sign(node.operands[0]))


@gradient("ReduceL2")
def reduce_l2(node: Node, dy: Value) -> Gradients:
    """Where the norm is 0, so is the gradient."""
    x, y = node.operands[0], _kept(node, node.outputs[0])
    norm = op.Where(op.Equal(y, constant(0, y.dtype)), constant(1, y.dtype), y)
    return only(node, x * (_kept(node, dy) / norm))


@gradient("ReduceSumSquare")
def reduce_sum_square(node: Node, dy: Value) -> Gradients:
    return only(node, node.operands[0] * (_kept(node, dy) * 2.0))


@gradient("ReduceLogSum")
def reduce_log_sum(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    share = _kept(node, dy) * op.Exp(-_kept(node, node.outputs[0]))
    return only(node, op.Expand(share, shape_of(x), shape=x.shape))


@gradient("ReduceLogSumExp")
def reduce_log_sum_exp(node: Node, dy: Value) -> Gradients:
    """Exponents are at most 0, and the gradient is 0 if all elements are minus infinity."""
    x, y = node.operands[0], _kept(node, node.outputs[0])
    finite = op.Where(op.IsInf(y), constant(0, y.dtype), y)
    return only(node, op.Exp(x - finite) * _kept(node, dy))


@gradient("CumSum")
def cum_sum(node: Node, dy: Value) -> Gradients:
    """The sum from the other end."""
    attrs = {"exclusive": node.attrs.get("exclusive", 0), "reverse": 1 - node.attrs.get("reverse", 0)}
    return op.CumSum(dy, node.operands[1], **attrs), None


@gradient("Softmax")
def softmax(node: Node, dy: Value) -> Gradients:
    y, axis = node.outputs[0], node.attrs.get("axis", -1)
    return ((dy - op.ReduceSum(dy * y, [axis])) * y,)


@gradient("LogSoftmax")
def log_softmax(node: Node, dy: Value) -> Gradients:
    y, axis = node.outputs[0], node.attrs.get("axis", -1)
    return (dy - op.Exp(y) * op.ReduceSum(dy, [axis]),)
