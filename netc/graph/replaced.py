"""Nodes that a version or a provider of onnxruntime runs wrongly, and what a model has in their place."""

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from netc.errors import GradientError
from netc.graph.gradients.along import by_matrix, matrix_of
from netc.graph.gradients.resize import axes_of, rules_of
from netc.graph.gradients.sampling import taps
from netc.graph.ir import Node, Value, constant, constant_value, leaf, op
from netc.graph.training_ops.define import Body


def replacement(node: Node) -> Body | None:
    """Return the body that replaces a node; None for a node that stays."""
    return next((body for find in RULES if (body := find(node)) is not None), None)


def _evenly_padded(node: Node) -> Body | None:
    """Return a body that pads an AveragePool with uneven padding in a separate Pad node; None for other nodes.

    It applies to means that count the padding. onnxruntime 1.24 divides them by a wrong number if there is padding below but none at the
    left.
    """
    pads = node.attrs.get("pads", [])
    half = len(pads) // 2
    plain = node.attrs.get("count_include_pad") and not node.attrs.get("ceil_mode")
    if node.key != ("", "AveragePool") or len({*pads}) < 2 or not plain:
        return None
    x = leaf("Input", node.operands[0].dtype, node.operands[0].shape, name="x")
    padded = op.Pad(x, [0, 0, *pads[:half], 0, 0, *pads[half:]])
    return Body((x,), (op.AveragePool(padded, **{k: v for k, v in node.attrs.items() if k != "pads"}),))


def _compared(node: Node) -> Body | None:
    """Return a body that computes a OneHot by comparison if the number of indices may be 0; None for other nodes.

    onnxruntime before 1.27 divides by the number of indices.
    """
    if node.key != ("", "OneHot") or not any(isinstance(d, str) for d in node.operands[0].shape):
        return None
    indices, (depth, values) = node.operands[0], map(constant_value, node.operands[1:])
    if depth is None or values is None:
        return None
    axis, x = node.attrs.get("axis", -1) % (indices.rank + 1), leaf("Input", indices.dtype, indices.shape, name="indices")
    numbers = np.arange(depth.item(), dtype=indices.dtype).reshape(-1, *[1] * (indices.rank - axis))
    positive = op.Where(x < constant(np.zeros((), x.dtype)), x + constant(np.asarray(depth.item(), x.dtype)), x)
    hot = op.Equal(op.Unsqueeze(positive, [axis]), constant(numbers))
    return Body((x, None, None), (op.Where(hot, constant(values[1]), constant(values[0])),))


def _rounded_down(node: Node) -> Body | None:
    """Return a body for pooling that rounds up, if ONNX counts windows beyond the image there; None for other nodes.

    onnxruntime leaves such windows out in a run, and rejects the next op when it loads the model. As much padding behind the image as the
    last window needs has the same effect as rounding up, unless the padding counts.
    """
    attrs, rank = dict(node.attrs), node.operands[0].rank - 2 if node.operands else 0
    if node.domain or not attrs.get("ceil_mode") or attrs.get("auto_pad", "NOTSET") != "NOTSET" or len(node.types[0].shape) < 3:
        return None
    strides, dilations = (list(attrs.get(name, [1] * rank)) for name in ("strides", "dilations"))
    pads, axes = list(attrs.get("pads", [0] * 2 * rank)), []
    for n, m, *window in zip(node.operands[0].shape[2:], node.types[0].shape[2:], attrs["kernel_shape"], strides, dilations, strict=True):
        if isinstance(n, str) or isinstance(m, str):
            return None
        axes.append((n, m, *window))
    room = [n + pads[k] + pads[rank + k] - d * (size - 1) - 1 for k, (n, _, size, _, d) in enumerate(axes)]
    if all(-(-r // s) + 1 == m for r, (_, m, _, s, _) in zip(room, axes, strict=True)):
        return None
    short = [max(0, (m - 1) * s - r) for r, (_, m, _, s, _) in zip(room, axes, strict=True)]
    if any(short) and attrs.get("count_include_pad"):
        return None
    attrs |= {"ceil_mode": 0, "pads": [*pads[:rank], *(p + more for p, more in zip(pads[rank:], short, strict=True))]}
    x = leaf("Input", node.operands[0].dtype, node.operands[0].shape, name="x")
    return Body((x,), getattr(op, node.op)(x, outputs=len(node.types), **attrs))


def _from_the_front(node: Node) -> Body | None:
    """Return a Resize whose axes count from the front if they do not; None for other nodes.

    onnxruntime 1.24 ends the process on negative axes.
    """
    axes = node.attrs.get("axes", ())
    if node.key != ("", "Resize") or min(axes, default=0) >= 0:
        return None
    inputs, rank = _inputs(node), node.operands[0].rank
    return Body(inputs, (op.Resize(*inputs, shape=node.types[0].shape, **{**node.attrs, "axes": [a % rank for a in axes]}),))


def _smoothed(node: Node) -> Body | None:
    """Return products with matrices for a cubic Resize with antialias; None for other nodes.

    CUDA leaves out a part of the image, and ignores the coefficient.
    """
    if node.key != ("", "Resize") or not node.attrs.get("antialias"):
        return None
    rules, inputs = rules_of(node), _inputs(node)
    if rules.mode != "cubic" or rules.coordinates == "tf_crop_and_resize":
        return None
    try:
        axes = axes_of(node)
    except GradientError:  # sizes that are known in a run only
        return None
    y = inputs[0]
    for number, axis in axes.items():
        if axis.scale != 1 or axis.n != axis.m:
            y = by_matrix(y, number, matrix_of(*taps(axis, rules), axis.n))
    return None if y is inputs[0] else Body(inputs, (y,))


def _of_each(node: Node) -> Body | None:
    """Return a body for a reduction of no axes, which maps each element; None for other nodes.

    CUDA returns the elements themselves.
    """
    if node.domain or node.op not in ELEMENTS or not node.attrs.get("noop_with_empty_axes"):
        return None
    axes = constant_value(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] is not None else np.zeros(0)
    if axes is None or axes.size:
        return None
    inputs = _inputs(node)
    return Body(inputs, (ELEMENTS[node.op](inputs[0]),))


def _scaled_apart(node: Node) -> Body | None:
    """Return a body for a LayerNormalization whose scale or bias is smaller than what it normalizes; None for other nodes.

    CUDA reads beyond their ends.
    """
    if node.key != ("", "LayerNormalization"):
        return None
    x, axis = node.operands[0], node.attrs.get("axis", -1) % node.operands[0].rank
    if all(v is None or v.shape == x.shape[axis:] for v in node.inputs[1:]):
        return None
    inputs, one = _inputs(node), constant(np.ones((), x.dtype))
    ones = op.Expand(one, op.Shape(inputs[0], start=axis), shape=x.shape[axis:])
    y, *moments = _several(op.LayerNormalization(inputs[0], ones, outputs=len(node.types), **node.attrs))
    y = reduce(op.Add, (v for v in inputs[2:] if v is not None), y * inputs[1])
    return Body(inputs, (y, *moments))


def _inputs(node: Node) -> tuple[Any, ...]:
    """Leaves for the inputs of a node. None for one that is omitted."""
    return tuple(None if v is None else leaf("Input", v.dtype, v.shape, name=f"in{k}") for k, v in enumerate(node.inputs))


def _several(values: Value | tuple[Value, ...]) -> tuple[Value, ...]:
    return values if isinstance(values, tuple) else (values,)


ELEMENTS: dict[str, Callable[[Value], Value]] = {
    "ReduceL1": op.Abs, "ReduceL2": op.Abs, "ReduceLogSum": op.Log, "ReduceSumSquare": lambda x: x * x,
}  # fmt: skip
RULES = _evenly_padded, _compared, _rounded_down, _from_the_front, _smoothed, _of_each, _scaled_apart
