"""What follows the form of its inputs: elementwise ops, the gradient of Relu, Concat of channels, sums over an image."""

from dataclasses import replace

import numpy as np

from netc.graph.ir import TRAINING, Node, Value, constant, constant_value, op
from netc.graph.passes.channels_last.layout import Layout, rule
from netc.graph.training_ops.activation import relu_grad

AXES = (0, 3, 1, 2)  # where axis i of (N, C, H, W) is when channels are last


def relu_grad_of(node: Node) -> tuple[Value, Value] | None:
    """(y, dy) of the gradient of Relu, which is written as Where(y > 0, dy, 0)."""
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


@rule("Dropout", domain=TRAINING)
@rule(
    "Abs",
    "Add",
    "Cast",
    "Div",
    "Elu",
    "Equal",
    "Exp",
    "Greater",
    "GreaterOrEqual",
    "LeakyRelu",
    "Less",
    "Log",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Pow",
    "Reciprocal",
    "Relu",
    "Sigmoid",
    "Sign",
    "Softplus",
    "Sqrt",
    "Sub",
    "Sum",
    "Tanh",
)
def elementwise(layout: Layout, node: Node) -> bool:
    """Turned if an input is. One number a channel, (1, C, 1, 1) or (C, 1, 1), turns by a reshape."""
    y = node.outputs[0]
    if y.rank != 4 or not any(layout.turned(v) and v.shape == y.shape for v in node.operands):
        return False
    inputs: list[Value | None] = []
    for value in node.inputs:
        if value is None or (value.shape != y.shape and all(d == 1 for d in value.shape)):
            inputs.append(None if value is None else op.Reshape(layout.first(value), [1]) if value.rank else layout.first(value))
        elif value.shape == y.shape:
            inputs.append(layout.last(value))
        elif (array := constant_value(value)) is not None:
            inputs.append(constant(array.reshape([1] * (4 - array.ndim) + list(array.shape)).transpose(0, 2, 3, 1)))
        elif value.shape in ((1, y.shape[1], 1, 1), (y.shape[1], 1, 1)):
            inputs.append(op.Reshape(layout.first(value), [y.shape[1]]))
        else:
            return False
    n, c, h, w = y.shape
    types = (replace(node.types[0], shape=(n, h, w, c)),)
    layout.lasts[y] = replace(node, inputs=tuple(inputs), types=types).outputs[0]
    return True


@rule("Concat")
def concat(layout: Layout, node: Node) -> bool:
    """Of channels."""
    if node.types[0].shape and len(node.types[0].shape) == 4 and node.attrs["axis"] == 1 and any(map(layout.turned, node.operands)):
        layout.lasts[node.outputs[0]] = op.Concat(*map(layout.last, node.operands), axis=3)
        return True
    return False


@rule("ReduceSum", "ReduceMean")
def reduce(layout: Layout, node: Node) -> bool:
    """Over axes that stay, or one that is left."""
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
