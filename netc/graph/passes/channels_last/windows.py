"""Convolution and pooling, whose kernels need images with channels last. Cases that the kernels do not cover stay."""

from typing import Any

import numpy as np

from netc.graph.ir import TRAINING, Node, Value, op
from netc.graph.passes.channels_last.layout import Layout, rule
from netc.graph.training_ops import channels_last as nhwc

LARGEST_WINDOW = 256  # the index of the maximum in its window is stored in a byte
MOST_GROUPS = 4


def _window(node: Node) -> dict[str, Any] | None:
    """The attributes of a window over two axes; None if the kernels do not cover it."""
    attrs, x = node.attrs, node.operands[0]
    if x.rank != 4 or set(attrs.get("dilations", [1])) != {1} or attrs.get("ceil_mode", 0):
        return None
    if x.dtype != np.float32 or attrs.get("auto_pad", "NOTSET") != "NOTSET" or any(isinstance(d, str) for d in x.shape[1:]):
        return None
    return {"strides": attrs.get("strides", [1, 1]), "pads": attrs.get("pads", [0] * 4)}


def _convolution(node: Node) -> tuple[dict[str, Any], int] | None:
    """The window of a convolution and its number of groups. Each group becomes a separate convolution, so the number must be small."""
    window, groups = _window(node), int(node.attrs.get("group", 1))
    return None if window is None or groups > MOST_GROUPS else (window, groups)


def _parts(x: Value, groups: int, axis: int) -> tuple[Value, ...]:
    return (x,) if groups == 1 else op.Split(x, axis=axis, num_outputs=groups, outputs=groups)


def _whole(parts: list[Value], axis: int) -> Value:
    return parts[0] if len(parts) == 1 else op.Concat(*parts, axis=axis)


@rule("Conv")
def conv(layout: Layout, node: Node) -> bool:
    """One convolution per group, with the Relu if that is its only reader."""
    found, y = _convolution(node), node.outputs[0]
    if found is None:
        return False
    window, groups = found
    x, *learned = node.operands
    relu = layout.only_relu(y)
    inputs = [_parts(layout.last(x), groups, 3), *(_parts(layout.first(v), groups, 0) for v in learned)]
    made = [nhwc.nhwc_conv(*group, relu=len(relu), **window) for group in zip(*inputs, strict=True)]
    layout.lasts[relu[0].outputs[0] if relu else y] = _whole(made, 3)
    return True


@rule("ConvInputGrad", domain=TRAINING)
def conv_input_grad(layout: Layout, node: Node) -> bool:
    """One input gradient per group."""
    found = _convolution(node)
    if found is None:
        return False
    window, groups = found
    dy, w = node.operands
    inputs = _parts(layout.last(dy), groups, 3), _parts(layout.first(w), groups, 0)
    made = [nhwc.nhwc_conv_input_grad(*group, spatial=node.attrs["spatial"], **window) for group in zip(*inputs, strict=True)]
    layout.lasts[node.outputs[0]] = _whole(made, 3)
    return True


@rule("ConvFilterGrad", domain=TRAINING)
def conv_filter_grad(layout: Layout, node: Node) -> bool:
    """The gradients with respect to filters and bias, per group."""
    found = _convolution(node)
    if found is None:
        return False
    window, groups = found
    inputs = (_parts(layout.last(v), groups, 3) for v in node.operands)
    made = [nhwc.nhwc_conv_filter_grad(*group, kernel_shape=node.attrs["kernel_shape"], **window) for group in zip(*inputs, strict=True)]
    whole = (_whole(list(parts), 0) for parts in zip(*made, strict=True))
    layout.firsts |= zip(node.outputs, whole, strict=False)
    return True


@rule("MaxPool")
def max_pool(layout: Layout, node: Node) -> bool:
    """Also outputs the index of each maximum, which the gradient reads."""
    window, kernel = _window(node), node.attrs["kernel_shape"]
    if window is None or len(node.outputs) > 1 or int(np.prod(kernel)) > LARGEST_WINDOW:
        return False
    y = node.outputs[0]
    layout.lasts[y], layout.winners[y] = nhwc.nhwc_max_pool(layout.last(node.operands[0]), kernel_shape=kernel, **window)
    return True


@rule("MaxPoolGrad", domain=TRAINING)
def max_pool_grad(layout: Layout, node: Node) -> bool:
    """Uses the stored indices of the maxima, if the pooling has channels last."""
    x, y, dy = node.operands
    if y not in layout.winners:
        return False
    spatial = list(map(int, x.shape[2:]))
    layout.lasts[node.outputs[0]] = nhwc.nhwc_max_pool_grad(layout.winners[y], layout.last(dy), spatial=spatial, **node.attrs)
    return True


@rule("AveragePool")
def average_pool(layout: Layout, node: Node) -> bool:
    """Only means that count the padding."""
    window = _window(node)
    if window is None or (any(window["pads"]) and not node.attrs.get("count_include_pad", 0)):
        return False
    made = nhwc.nhwc_average_pool(layout.last(node.operands[0]), kernel_shape=node.attrs["kernel_shape"], **window)
    layout.lasts[node.outputs[0]] = made
    return True


@rule("AveragePoolGrad", domain=TRAINING)
def average_pool_grad(layout: Layout, node: Node) -> bool:
    """Distributes each dy equally over its window."""
    if _window(node) is None:
        return False
    layout.lasts[node.outputs[0]] = nhwc.nhwc_average_pool_grad(layout.last(node.operands[0]), **node.attrs)
    return True
