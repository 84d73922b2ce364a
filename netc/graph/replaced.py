"""Nodes that a version of onnxruntime runs wrongly, and what a model has in their place."""

import numpy as np

from netc.graph.ir import Node, constant, constant_value, leaf, op
from netc.graph.training_ops.define import Body


def replacement(node: Node) -> Body | None:
    """Return the body that replaces a node; None for a node that stays."""
    return next((body for find in (_evenly_padded, _compared, _rounded_down, _from_the_front) if (body := find(node)) is not None), None)


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
    inputs = tuple(None if v is None else leaf("Input", v.dtype, v.shape, name=f"in{k}") for k, v in enumerate(node.inputs))
    rank = node.operands[0].rank
    return Body(inputs, (op.Resize(*inputs, shape=node.types[0].shape, **{**node.attrs, "axes": [a % rank for a in axes]}),))
