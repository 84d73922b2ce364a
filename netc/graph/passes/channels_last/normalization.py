"""Normalization ops, which use the form of their images."""

from typing import Any

import numpy as np

from netc.graph.ir import TRAINING, Node, Value
from netc.graph.passes.channels_last.layout import Layout, rule
from netc.graph.passes.channels_last.pointwise import relu_grad_of
from netc.graph.training_ops import channels_last as nhwc


def _turns(layout: Layout, x: Value) -> bool:
    return layout.turned(x) and x.dtype == np.float32 and not any(isinstance(d, str) for d in x.shape)


@rule("BatchMoments", domain=TRAINING)
def batch_moments(layout: Layout, node: Node) -> bool:
    """For an image with channels last."""
    x = node.operands[0]
    if not _turns(layout, x):
        return False
    layout.firsts |= zip(node.outputs, nhwc.nhwc_batch_moments(layout.last(x), **node.attrs), strict=True)
    return True


@rule("BatchNorm", domain=TRAINING)
def batch_norm(layout: Layout, node: Node) -> bool:
    """Together with the Relu, if that is its only reader."""
    x, *channels = node.inputs
    if x is None or not _turns(layout, x):
        return False
    relu = layout.only_relu(node.outputs[0])
    inputs: list[Any] = [layout.last(x), *(v and layout.first(v) for v in channels)]
    made = nhwc.nhwc_batch_norm(*inputs, relu=len(relu))
    layout.lasts[relu[0].outputs[0] if relu else node.outputs[0]] = made
    return True


@rule("BatchNormGrad", domain=TRAINING)
def batch_norm_grad(layout: Layout, node: Node) -> bool:
    """Together with the gradient of the Relu, if that is its only source."""
    dy, x, mean, inverse_std, *rest = node.operands
    if not _turns(layout, x):
        return False
    relu = relu_grad_of(dy.node) if layout.uses[dy] == 1 else None
    y, dy = relu or (None, dy)
    moments = layout.first(mean), layout.first(inverse_std)
    scale = layout.first(rest[0]) if rest else None
    found = nhwc.nhwc_batch_norm_grad(layout.last(dy), layout.last(x), *moments, scale, y and layout.last(y))
    layout.lasts[node.outputs[0]] = found[0]
    layout.firsts |= zip(node.outputs[1:], found[1:], strict=True)
    return True


@rule("LRN")
def lrn(layout: Layout, node: Node) -> bool:
    """Normalization across channels."""
    if not _turns(layout, node.operands[0]):
        return False
    layout.lasts[node.outputs[0]] = nhwc.nhwc_lrn(layout.last(node.operands[0]), **node.attrs)
    return True


@rule("LRNGrad", domain=TRAINING)
def lrn_grad(layout: Layout, node: Node) -> bool:
    """The gradient of normalization across channels."""
    if not _turns(layout, node.operands[0]):
        return False
    layout.lasts[node.outputs[0]] = nhwc.nhwc_lrn_grad(*map(layout.last, node.operands), **node.attrs)
    return True
