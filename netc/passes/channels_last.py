"""Images with the channel innermost, (N, H, W, C), for the native kernels.

1. Conv, MaxPool and AveragePool and their gradients become the ops of `netc.training_ops.channels_last`; those that these do not
   cover (groups, dilations, other ranks) stay. 2. A Relu that alone reads a Conv goes into it; its gradient becomes ReluGrad.
3. Elementwise ops, Concat of channels, sums over an image and BatchNorm, with the Relu after it, follow their inputs.
Each value has at most two forms, one of them made from the other where it is first asked for: transposes stand at the borders only.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from netc.ir import TRAINING, Graph, Node, Value, constant, constant_value, op, origin, rebuild
from netc.training_ops import channels_last as nhwc
from netc.training_ops.activation import relu_grad

ELEMENTWISE = {
    "Abs", "Add", "Cast", "Div", "Elu", "Equal", "Exp", "Greater", "GreaterOrEqual", "LeakyRelu", "Less", "Log", "Max", "Min", "Mul", "Neg",
    "Not", "Pow", "Reciprocal", "Relu", "Sigmoid", "Sign", "Softplus", "Sqrt", "Sub", "Sum", "Tanh", "Where",
}  # fmt: skip
LARGEST_WINDOW = 256  # the winner of a max pooling is a byte
AXES = (0, 3, 1, 2)  # where axis i of (N, C, H, W) is when channels are last


def channels_last(graph: Graph) -> Graph:
    """`graph` with its images turned."""
    layout = _Layout(graph)
    for node in graph.nodes:
        with origin(layer=node.origin.layer, place=node.origin.place, part=node.origin.part):
            layout.add(node)
    outputs = {n: layout.first(v) for n, v in graph.outputs.items()}
    return replace(graph, outputs=outputs, updates={s: layout.first(v) for s, v in graph.updates.items()})


class _Layout:
    """The new forms of a graph's values: channels first, as they were, and channels last."""

    def __init__(self, graph: Graph):
        self.firsts: dict[Value, Value] = {}
        self.lasts: dict[Value, Value] = {}
        self.winners: dict[Value, Value] = {}
        self.readers: dict[Value, list[Node]] = {v: [] for v in graph.ends}
        for node in graph.nodes:
            for value in node.operands:
                self.readers.setdefault(value, []).append(node)
        self.uses = Counter({v: len(nodes) for v, nodes in self.readers.items()}) + Counter(graph.ends)

    def add(self, node: Node) -> None:
        """The new form of a node's outputs."""
        if node.outputs[0] in self.lasts:
            return
        rule = RULES.get(node.key) or (_elementwise if not node.domain and node.op in ELEMENTWISE else None)
        if rule is None or not rule(self, node):
            new = rebuild(node, tuple(None if v is None else self.first(v) for v in node.inputs))
            self.firsts |= zip(node.outputs, new.outputs, strict=True)

    def first(self, value: Value) -> Value:
        """The value, an image with channels first."""
        if value not in self.firsts:
            self.firsts[value] = _turned(self.lasts[value], nhwc.to_channels_first, [0, 3, 1, 2])
        return self.firsts[value]

    def last(self, value: Value) -> Value:
        """The image `value` with channels last."""
        if value not in self.lasts:
            self.lasts[value] = _turned(self.firsts[value], nhwc.to_channels_last, [0, 2, 3, 1])
        return self.lasts[value]

    def only_relu(self, value: Value) -> list[Node]:
        """The Relu that alone reads `value`, or none."""
        return [n for n in self.readers[value] if n.key == ("", "Relu")] if self.uses[value] == 1 else []

    def turned(self, value: Value | None) -> bool:
        """Whether the value is an image that exists with channels last."""
        return value in self.lasts


def _turned(x: Value, transpose: Callable[[Value], Value], perm: list[int]) -> Value:
    """`x` transposed; reshaped where that is the same."""
    moved = [i for i in perm if x.shape[i] != 1]
    if moved != sorted(moved) or any(isinstance(d, str) for d in x.shape[1:]):
        return transpose(x)
    shape = [x.shape[i] for i in perm]
    return op.Reshape(x, [0 if isinstance(d, str) else d for d in shape], shape=shape)


def _window(node: Node) -> dict[str, Any] | None:
    """The attributes of a window over two axes that the kernels cover."""
    attrs, x = node.attrs, node.operands[0]
    if x.rank != 4 or attrs.get("group", 1) != 1 or set(attrs.get("dilations", [1])) != {1} or attrs.get("ceil_mode", 0):
        return None
    if x.dtype != np.float32 or attrs.get("auto_pad", "NOTSET") != "NOTSET" or any(isinstance(d, str) for d in x.shape[1:]):
        return None
    return {"strides": attrs.get("strides", [1, 1]), "pads": attrs.get("pads", [0] * 4)}


def _conv(layout: _Layout, node: Node) -> bool:
    window, y = _window(node), node.outputs[0]
    if window is None:
        return False
    x, w, *b = node.operands
    relu = layout.only_relu(y)
    made = nhwc.nhwc_conv(layout.last(x), layout.first(w), *map(layout.first, b), relu=len(relu), **window)
    layout.lasts[relu[0].outputs[0] if relu else y] = made
    return True


def _conv_input_grad(layout: _Layout, node: Node) -> bool:
    window = _window(node)
    if window is None:
        return False
    dy, w = node.operands
    layout.lasts[node.outputs[0]] = nhwc.nhwc_conv_input_grad(layout.last(dy), layout.first(w), spatial=node.attrs["spatial"], **window)
    return True


def _conv_filter_grad(layout: _Layout, node: Node) -> bool:
    window = _window(node)
    if window is None:
        return False
    x, dy = map(layout.last, node.operands)
    found = nhwc.nhwc_conv_filter_grad(x, dy, kernel_shape=node.attrs["kernel_shape"], **window)
    layout.firsts |= zip(node.outputs, found, strict=False)
    return True


def _max_pool(layout: _Layout, node: Node) -> bool:
    window, kernel = _window(node), node.attrs["kernel_shape"]
    if window is None or len(node.outputs) > 1 or int(np.prod(kernel)) > LARGEST_WINDOW:
        return False
    y = node.outputs[0]
    layout.lasts[y], layout.winners[y] = nhwc.nhwc_max_pool(layout.last(node.operands[0]), kernel_shape=kernel, **window)
    return True


def _max_pool_grad(layout: _Layout, node: Node) -> bool:
    x, y, dy = node.operands
    if y not in layout.winners:
        return False
    spatial = list(map(int, x.shape[2:]))
    layout.lasts[node.outputs[0]] = nhwc.nhwc_max_pool_grad(layout.winners[y], layout.last(dy), spatial=spatial, **node.attrs)
    return True


def _average_pool(layout: _Layout, node: Node) -> bool:
    window = _window(node)
    if window is None or (any(window["pads"]) and not node.attrs.get("count_include_pad", 0)):
        return False
    made = nhwc.nhwc_average_pool(layout.last(node.operands[0]), kernel_shape=node.attrs["kernel_shape"], **window)
    layout.lasts[node.outputs[0]] = made
    return True


def _average_pool_grad(layout: _Layout, node: Node) -> bool:
    if _window(node) is None:
        return False
    layout.lasts[node.outputs[0]] = nhwc.nhwc_average_pool_grad(layout.last(node.operands[0]), **node.attrs)
    return True


def _relu_grad_of(node: Node) -> tuple[Value, Value] | None:
    """(y, dy) of the gradient of Relu, which is written as Where(y > 0, dy, 0)."""
    if node.key != ("", "Where") or node.operands[0].node.key != ("", "Greater"):
        return None
    (y, bound), dy, zero = node.operands[0].node.operands, node.operands[1], constant_value(node.operands[2])
    number = constant_value(bound)
    if zero is None or zero.any() or number is None or number.any() or y.shape != dy.shape or dy.dtype != np.float32:
        return None
    return y, dy


def _where(layout: _Layout, node: Node) -> bool:
    found = _relu_grad_of(node)
    if found is None:
        return _elementwise(layout, node)
    if any(map(layout.turned, found)):
        layout.lasts[node.outputs[0]] = relu_grad(*map(layout.last, found))
    else:
        layout.firsts[node.outputs[0]] = relu_grad(*map(layout.first, found))
    return True


def _elementwise(layout: _Layout, node: Node) -> bool:
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
        elif value.shape in ((1, y.shape[1], 1, 1), (y.shape[1], 1, 1)):
            inputs.append(op.Reshape(layout.first(value), [y.shape[1]]))
        else:
            return False
    n, c, h, w = y.shape
    types = (replace(node.types[0], shape=(n, h, w, c)),)
    layout.lasts[y] = replace(node, inputs=tuple(inputs), types=types).outputs[0]
    return True


def _concat(layout: _Layout, node: Node) -> bool:
    if node.types[0].shape and len(node.types[0].shape) == 4 and node.attrs["axis"] == 1 and any(map(layout.turned, node.operands)):
        layout.lasts[node.outputs[0]] = op.Concat(*map(layout.last, node.operands), axis=3)
        return True
    return False


def _reduce(layout: _Layout, node: Node) -> bool:
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


def _turns(layout: _Layout, x: Value) -> bool:
    return layout.turned(x) and x.dtype == np.float32 and not any(isinstance(d, str) for d in x.shape)


def _batch_moments(layout: _Layout, node: Node) -> bool:
    x = node.operands[0]
    if not _turns(layout, x):
        return False
    layout.firsts |= zip(node.outputs, nhwc.nhwc_batch_moments(layout.last(x), **node.attrs), strict=True)
    return True


def _batch_norm(layout: _Layout, node: Node) -> bool:
    x, *channels = node.inputs
    if x is None or not _turns(layout, x):
        return False
    relu = layout.only_relu(node.outputs[0])
    made = nhwc.nhwc_batch_norm(layout.last(x), *(v and layout.first(v) for v in channels), relu=len(relu))
    layout.lasts[relu[0].outputs[0] if relu else node.outputs[0]] = made
    return True


def _batch_norm_grad(layout: _Layout, node: Node) -> bool:
    dy, x, *channels = node.operands
    if not _turns(layout, x):
        return False
    relu = _relu_grad_of(dy.node) if layout.uses[dy] == 1 else None
    y, dy = relu or (None, dy)
    channels = [layout.first(v) for v in channels]
    scale = channels[2] if len(channels) > 2 else None
    found = nhwc.nhwc_batch_norm_grad(layout.last(dy), layout.last(x), *channels[:2], scale, y and layout.last(y))
    layout.lasts[node.outputs[0]] = found[0]
    layout.firsts |= zip(node.outputs[1:], found[1:], strict=True)
    return True


RULES: dict[tuple[str, str], Callable[[_Layout, Node], bool]] = {
    ("", "Conv"): _conv,
    ("", "MaxPool"): _max_pool,
    ("", "AveragePool"): _average_pool,
    ("", "Where"): _where,
    ("", "Concat"): _concat,
    ("", "ReduceSum"): _reduce,
    ("", "ReduceMean"): _reduce,
    (TRAINING, "ConvInputGrad"): _conv_input_grad,
    (TRAINING, "ConvFilterGrad"): _conv_filter_grad,
    (TRAINING, "MaxPoolGrad"): _max_pool_grad,
    (TRAINING, "AveragePoolGrad"): _average_pool_grad,
    (TRAINING, "BatchMoments"): _batch_moments,
    (TRAINING, "BatchNorm"): _batch_norm,
    (TRAINING, "BatchNormGrad"): _batch_norm_grad,
}
