"""Gradients of ops that read elements by their indices."""

import numpy as np

from netc.errors import GradientError
from netc.graph.gradients.along import add_along
from netc.graph.gradients.common import Gradients
from netc.graph.ir import Node, Value, cast, constant, constant_value, op, zeros_like
from netc.registry import gradient


@gradient("Gather")
def gather(node: Node, dy: Value) -> Gradients:
    """Adds each part of dy to the part that it was read from. The index may have any shape, and the axis may be any."""
    x, index = node.operands
    axis, known = node.attrs.get("axis", 0) % x.rank, constant_value(index)
    n = x.shape[axis]
    if known is not None and isinstance(n, int):
        if known.ndim == 0:
            place = int(known) % n
            pads = [0] * (2 * x.rank)
            pads[axis], pads[x.rank + axis] = place, n - 1 - place
            return op.Pad(op.Unsqueeze(dy, [axis]), pads), None
        if axis and known.ndim == 1:
            return add_along(dy, axis, n, np.asarray(known)[:, None] % n), None
    places = op.Unsqueeze(cast(index, np.int64), [-1])
    if axis == 0:
        return op.ScatterND(zeros_like(x), places, dy, reduction="add"), None
    first, count = [axis, *(i for i in range(x.rank) if i != axis)], index.rank
    front = op.Transpose(dy, perm=[*range(axis, axis + count), *range(axis), *range(axis + count, dy.rank)])
    added = op.ScatterND(zeros_like(op.Transpose(x, perm=first)), places, front, reduction="add")
    return op.Transpose(added, perm=[first.index(i) for i in range(x.rank)]), None


@gradient("GatherElements")
def gather_elements(node: Node, dy: Value) -> Gradients:
    x, index = node.operands
    return op.ScatterElements(zeros_like(x), index, dy, axis=node.attrs.get("axis", 0), reduction="add"), None


@gradient("GatherND")
def gather_nd(node: Node, dy: Value) -> Gradients:
    """The numbers of a batch become the first part of each index."""
    x, index = node.operands
    if batch := node.attrs.get("batch_dims", 0):
        index = op.Concat(*(_number(index, axis) for axis in range(batch)), index, axis=-1)
    return op.ScatterND(zeros_like(x), index, dy, reduction="add"), None


def _number(index: Value, axis: int) -> Value:
    """The place along an axis of each index, (..., 1)."""
    n, shape = index.shape[axis], (*index.shape[:-1], 1)
    size = op.Squeeze(op.Shape(index, start=axis, end=axis + 1), [0]) if isinstance(n, str) else constant(n)
    places = op.Range(constant(0), size, constant(1), shape=(n,))
    turned = op.Unsqueeze(places, [k for k in range(index.rank) if k != axis])
    full = op.Concat(op.Shape(index, end=-1), constant([1]), axis=0)
    return op.Expand(turned, full, shape=shape)


@gradient("TopK")
def top_k(node: Node, dy: Value, *unused: Value | None) -> Gradients:
    x = node.operands[0]
    return op.ScatterElements(zeros_like(x), node.outputs[1], dy, axis=node.attrs.get("axis", -1), reduction="add"), None


@gradient("ReverseSequence")
def reverse_sequence(node: Node, dy: Value) -> Gradients:
    return op.ReverseSequence(dy, node.operands[1], **node.attrs), None


@gradient("Compress")
def compress(node: Node, dy: Value) -> Gradients:
    """Puts the rows back in their original places, with zeros elsewhere."""
    x, chosen = node.operands
    if node.attrs.get("axis") != 0:
        raise GradientError("The op Compress has a gradient only along axis 0.")
    rows = op.Transpose(op.NonZero(chosen, shape=(1, dy.shape[0])), perm=[1, 0])
    return op.ScatterND(zeros_like(x), rows, dy), None
