"""Ops that use the form of their inputs: the gradient of Relu, Concat of channels, sums over an image."""

from dataclasses import replace

import numpy as np

from netc.graph.ir import Node, Value, constant, constant_value, op
from netc.graph.passes.channels_last.layout import Layout, elementwise, rule
from netc.graph.training_ops.activation import relu_grad

AXES = (0, 3, 1, 2)  # the position of axis i of (N, C, H, W) with channels last


def relu_grad_of(node: Node) -> tuple[Value, Value] | None:
    """Return (y, dy) of the gradient of Relu, which has the form Where(y > 0, dy, 0)."""
    if node.key != ("", "Where") or node.operands[0].node.key != ("", "Greater"):
        return None
    (y, bound), dy, zero = node.operands[0].node.operands, node.operands[1], constant_value(node.operands[2])
    number = constant_value(bound)
    if zero is None or zero.any() or number is None or number.any() or y.shape != dy.shape or dy.dtype != np.float32:
        return None
    return y, dy


@rule("Where")
def where(layout: Layout, node: Node) -> bool:
    """The gradient of Relu becomes ReluGrad."""
    found = relu_grad_of(node)
    if found is None:
        return elementwise(layout, node)
    if any(map(layout.turned, found)):
        layout.lasts[node.outputs[0]] = relu_grad(*map(layout.last, found))
    else:
        layout.firsts[node.outputs[0]] = relu_grad(*map(layout.first, found))
    return True


@rule("Concat")
def concat(layout: Layout, node: Node) -> bool:
    """Concatenation of channels."""
    if node.types[0].shape and len(node.types[0].shape) == 4 and node.attrs["axis"] == 1 and any(map(layout.turned, node.operands)):
        layout.lasts[node.outputs[0]] = op.Concat(*map(layout.last, node.operands), axis=3)
        return True
    return False


@rule("ReduceSum", "ReduceMean")
def reduce(layout: Layout, node: Node) -> bool:
    """Reductions that keep all axes, or leave only one."""
    x, axes = node.operands[0], constant_value(node.operands[1]) if len(node.operands) > 1 else None
    if not layout.turned(x) or axes is None:
        return False
    kept = node.attrs.get("keepdims", 1)
    if not kept and len(set(range(4)) - {int(a) % 4 for a in axes}) > 1:
        return False
    made = replace(node, inputs=(layout.last(x), constant(np.array([AXES[int(a) % 4] for a in axes]))))
    types = tuple(replace(t, shape=tuple(t.shape[i] for i in (0, 2, 3, 1))) if kept else t for t in node.types)
    made = replace(made, types=types)
    (layout.lasts if kept else layout.firsts)[node.outputs[0]] = made.outputs[0]
    return True
