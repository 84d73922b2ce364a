"""Gradients of ops that fold axes away, or normalise along them."""

from math import prod

from netc.ir import Node, Value, constant_value, op
from netc.registry import gradient

Gradients = tuple[Value | None, ...]


def _axes(node: Node) -> list[int]:
    x, axes = node.operands[0], constant_value(node.operands[1]) if len(node.inputs) > 1 else None
    return list(range(x.rank)) if axes is None else [int(a) % x.rank for a in axes]


def _spread(node: Node, dy: Value) -> Value:
    """dy with the folded axes back at size 1, so that it broadcasts against the input."""
    x, axes = node.operands[0], _axes(node)
    return dy if node.attrs.get("keepdims", 1) else op.Reshape(dy, [1 if i in axes else n for i, n in enumerate(x.shape)])


@gradient("ReduceSum")
def reduce_sum(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return op.Expand(_spread(node, dy), list(x.shape)), *(None for _ in node.inputs[1:])


@gradient("ReduceMean")
def reduce_mean(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    count = prod(int(x.shape[a]) for a in _axes(node))
    return op.Expand(_spread(node, dy) * (1 / count), list(x.shape)), *(None for _ in node.inputs[1:])


@gradient("Softmax")
def softmax(node: Node, dy: Value) -> Gradients:
    y, axis = node.outputs[0], node.attrs.get("axis", -1)
    return ((dy - op.ReduceSum(dy * y, [axis])) * y,)


@gradient("LogSoftmax")
def log_softmax(node: Node, dy: Value) -> Gradients:
    y, axis = node.outputs[0], node.attrs.get("axis", -1)
    return (dy - op.Exp(y) * op.ReduceSum(dy, [axis]),)
