"""Gradients of ops that reduce axes, or normalise along them."""

from math import prod

import numpy as np

from netc.graph.ir import Node, Value, cast, constant_value, op, shape_of
from netc.registry import gradient

Gradients = tuple[Value | None, ...]


def _axes(node: Node) -> list[int]:
    x, axes = node.operands[0], constant_value(node.operands[1]) if len(node.inputs) > 1 else None
    return list(range(x.rank)) if axes is None else [int(a) % x.rank for a in axes]


def _spread(node: Node, dy: Value) -> Value:
    """dy with the reduced axes restored with size 1, so that it broadcasts against the input."""
    x, axes = node.operands[0], _axes(node)
    if node.attrs.get("keepdims", 1):
        return dy
    missing = [i for i in range(x.rank) if i in axes]
    known = [1 if i in axes else n for i, n in enumerate(x.shape)]
    return op.Unsqueeze(dy, missing) if any(isinstance(n, str) for n in known) else op.Reshape(dy, known)


@gradient("ReduceSum")
def reduce_sum(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return op.Expand(_spread(node, dy), shape_of(x), shape=x.shape), *(None for _ in node.inputs[1:])


@gradient("ReduceMean")
def reduce_mean(node: Node, dy: Value) -> Gradients:
    x, y = node.operands[0], node.outputs[0]
    sizes = [x.shape[a] for a in _axes(node)]
    if any(isinstance(n, str) for n in sizes):
        share: float | Value = cast(op.Size(y), np.float32) / cast(op.Size(x), np.float32)
    else:
        share = 1 / prod(map(int, sizes))
    return op.Expand(_spread(node, dy) * share, shape_of(x), shape=x.shape), *(None for _ in node.inputs[1:])


@gradient("Softmax")
def softmax(node: Node, dy: Value) -> Gradients:
    y, axis = node.outputs[0], node.attrs.get("axis", -1)
    return ((dy - op.ReduceSum(dy * y, [axis])) * y,)


@gradient("LogSoftmax")
def log_softmax(node: Node, dy: Value) -> Gradients:
    y, axis = node.outputs[0], node.attrs.get("axis", -1)
    return (dy - op.Exp(y) * op.ReduceSum(dy, [axis]),)
