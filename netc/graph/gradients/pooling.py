"""Gradients of pooling."""

from typing import Any

import numpy as np

from netc.graph.gradients.common import Gradients, like, sizes
from netc.graph.gradients.windows import Window, window
from netc.graph.ir import TRAINING, Node, Value, constant, op, shape_of, symbolic, zeros_like
from netc.graph.training_ops import convolution, pooling, regions
from netc.registry import gradient


def _window(node: Node) -> Window:
    return window(node, list(node.attrs["kernel_shape"]))


def _spatial(node: Node) -> list[int]:
    x = node.operands[0]
    return sizes(x, range(2, x.rank), node)


@gradient("MaxPool")
def max_pool(node: Node, dy: Value, *unused: Value | None) -> Gradients:
    """The first maximum of each window gets the gradient."""
    x, y, at = node.operands[0], node.outputs[0], _window(node)
    if node.attrs.get("ceil_mode", 0) or set(at.dilations) != {1}:
        return (_by_indices(node, dy),)
    return (pooling.max_pool_grad(x, y, dy, kernel_shape=at.kernel, strides=at.strides, pads=at.pads),)


def _by_indices(node: Node, dy: Value) -> Value:
    x, attrs = node.operands[0], {k: v for k, v in node.attrs.items() if k != "storage_order"}
    indices = op.MaxPool(x, outputs=2, **attrs)[1]
    name = "elements" if symbolic(x) else None
    flat: Any = [op.Reshape(v, [-1], shape=(k,) if name else None) for v, k in ((zeros_like(x), name), (indices, "maxima"), (dy, "maxima"))]
    return like(op.ScatterElements(*flat, reduction="add"), x)


@gradient("GlobalMaxPool")
def global_max_pool(node: Node, dy: Value) -> Gradients:
    x, spatial = node.operands[0], _spatial(node)
    pads, strides = [0] * 2 * len(spatial), [1] * len(spatial)
    return (pooling.max_pool_grad(x, node.outputs[0], dy, kernel_shape=spatial, strides=strides, pads=pads),)


@gradient("GlobalAveragePool")
def global_average_pool(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    share = 1 / int(np.prod(_spatial(node)))
    return (op.Expand(dy * share, shape_of(x), shape=x.shape),)


@gradient("AveragePool")
def average_pool(node: Node, dy: Value) -> Gradients:
    """Each dy is divided by what its window holds, then spread over the window."""
    at, spatial = _window(node), _spatial(node)
    full = int(np.prod(at.kernel))
    held = _held(node, at, spatial)
    if (held != full).any():
        dy = dy * constant((full / held).astype(dy.dtype))
    if set(at.dilations) == {1}:
        return (pooling.average_pool_grad(dy, spatial=spatial, kernel_shape=at.kernel, strides=at.strides, pads=at.pads),)
    return (_spread(dy * (1 / full), at, spatial),)


def _held(node: Node, at: Window, spatial: list[int]) -> Any:
    """By how many elements each window divides, (1, 1, output...): those inside the image, or inside the padded image."""
    counts_padding = node.attrs.get("count_include_pad", 0)
    held = np.ones([1] * (2 + at.rank))
    for k, n in enumerate(spatial):
        before, after = (at.pads[k], at.pads[at.rank + k]) if counts_padding else (0, 0)
        first = np.arange(int(node.outputs[0].shape[2 + k])) * at.strides[k] - at.pads[k]
        places = first[:, None] + np.arange(at.kernel[k]) * at.dilations[k]
        inside = ((places >= -before) & (places < n + after)).sum(1)
        held = held * inside.reshape([-1 if i == 2 + k else 1 for i in range(2 + at.rank)])
    return held


def _spread(dy: Value, at: Window, spatial: list[int]) -> Value:
    """Adds each dy to every element of its window."""
    c = dy.shape[1]
    flat = op.Reshape(dy, [-1, 1, *dy.shape[2:]], shape=("planes", 1, *dy.shape[2:]) if symbolic(dy) else None)
    weights = constant(np.ones((1, 1, *at.kernel), dy.dtype))
    dx = op.ConvTranspose(flat, weights, strides=at.strides, dilations=at.dilations)
    cut = convolution.window(dx, at.pads[: at.rank], spatial)
    return op.Reshape(cut, [-1, c, *spatial], shape=(dy.shape[0], c, *spatial))


@gradient("LpPool")
def lp_pool(node: Node, dy: Value) -> Gradients:
    """y = (sum of |x|^p over the window)^(1/p)."""
    x, y, p = node.operands[0], node.outputs[0], node.attrs.get("p", 2)
    return (_by_norm(x, p) * _spread(dy / _norm(y, p), _window(node), _spatial(node)),)


@gradient("GlobalLpPool")
def global_lp_pool(node: Node, dy: Value) -> Gradients:
    x, y, p = node.operands[0], node.outputs[0], node.attrs.get("p", 2)
    return (_by_norm(x, p) * (dy / _norm(y, p)),)


def _by_norm(x: Value, p: int) -> Value:
    return x if p == 2 else op.Sign(x) if p == 1 else op.Sign(x) * op.Pow(op.Abs(x), constant(p - 1, x.dtype))


def _norm(y: Value, p: int) -> Value:
    """y^(p - 1), or 1 where y is 0: all elements are 0 there, and so is the gradient."""
    safe = op.Where(op.Equal(y, constant(0, y.dtype)), constant(1, y.dtype), y)
    return safe if p == 2 else constant(1, y.dtype) if p == 1 else op.Pow(safe, constant(p - 1, y.dtype))


@gradient("MaxUnpool")
def max_unpool(node: Node, dy: Value) -> Gradients:
    """Each element gets the gradient of the place where it was put."""
    indices = node.operands[1]
    flat = op.Reshape(dy, [-1], shape=("elements",) if symbolic(dy) else None)
    return (op.Gather(flat, indices), None, None)[: len(node.inputs)]


@gradient("MaxRoiPool")
def max_roi_pool(node: Node, dy: Value) -> Gradients:
    """The first maximum of each bin gets the gradient. Regions have none."""
    x, rois = node.operands
    scale = node.attrs.get("spatial_scale", 1.0)
    return regions.roi_pool_grad(x, rois, dy, pooled=list(node.attrs["pooled_shape"]), scale=scale), None


@gradient("RoiPool", domain=TRAINING)
def roi_pool(node: Node, dy: Value) -> Gradients:
    x, rois = node.operands
    return regions.roi_pool_grad(x, rois, dy, **node.attrs), None
