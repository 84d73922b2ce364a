"""Gradients of ops that give a tensor another shape, join tensors or take them apart."""

from typing import Any

from netc.errors import GradientError
from netc.graph.gradients.common import Gradients, like, only, optional, sizes, text
from netc.graph.ir import Node, Value, constant_value, op, zeros_like
from netc.graph.training_ops.shape import split as split_parts
from netc.graph.training_ops.shape import split_rows
from netc.registry import gradient


@gradient("Transpose")
def transpose(node: Node, dy: Value) -> Gradients:
    perm = node.attrs.get("perm")
    return (op.Transpose(dy, perm=[list(perm).index(i) for i in range(len(perm))]) if perm else op.Transpose(dy),)


@gradient("Reshape", "Squeeze", "Unsqueeze", "Flatten")
def reshape(node: Node, dy: Value) -> Gradients:
    return only(node, like(dy, node.operands[0]))


@gradient("Expand")
def expand(node: Node, dy: Value) -> Gradients:
    return dy, None


@gradient("Concat")
def concat(node: Node, dy: Value) -> Gradients:
    if len(node.inputs) == 1:
        return (dy,)
    axis = node.attrs["axis"] % dy.rank
    along = [x.shape[axis] for x in node.operands]
    if all(isinstance(n, int) for n in along):
        return split_parts(dy, [int(n) for n in along], axis)
    lengths = op.Concat(*(op.Shape(x, start=axis, end=axis + 1) for x in node.operands), axis=0)
    if axis == 0:
        return split_rows(dy, lengths, along)
    shapes = [(*dy.shape[:axis], n, *dy.shape[axis + 1 :]) for n in along]
    return tuple(op.Split(dy, lengths, axis=axis, outputs=len(along), shapes=shapes))


@gradient("Split")
def split(node: Node, *dys: Value | None) -> Gradients:
    parts = [zeros_like(y) if dy is None else dy for y, dy in zip(node.outputs, dys, strict=True)]
    return only(node, op.Concat(*parts, axis=node.attrs.get("axis", 0)))


@gradient("Tile")
def tile(node: Node, dy: Value) -> Gradients:
    """Sums over the copies."""
    x, repeats = node.operands[0], _repeats(node)
    axis = [i for i, r in enumerate(repeats) if r != 1]
    if not axis:
        return dy, None
    parts = [d for n, r in zip(x.shape, repeats, strict=True) for d in ((r, n) if r != 1 else (n,))]
    numbers = [d if isinstance(d, int) else 0 if i < x.rank and d == x.shape[i] else -1 for i, d in enumerate(parts)]
    copies = op.Reshape(dy, numbers, shape=tuple(parts))
    return op.ReduceSum(copies, [i + k for k, i in enumerate(axis)], keepdims=0), None


def _repeats(node: Node) -> list[int]:
    """How often Tile repeats each axis: a constant, or the ratio of the sizes."""
    x, y, known = node.operands[0], node.outputs[0], constant_value(node.operands[1])
    if known is not None:
        return [int(r) for r in known]
    pairs: Any = list(zip(x.shape, y.shape, strict=True))
    if not all(n == m or (isinstance(n, int) and isinstance(m, int) and n) for n, m in pairs):
        raise GradientError("The op Tile has a gradient only if its repeats are constants.")
    return [1 if n == m else m // n for n, m in pairs]


@gradient("SpaceToDepth")
def space_to_depth(node: Node, dy: Value) -> Gradients:
    return (op.DepthToSpace(dy, blocksize=node.attrs["blocksize"]),)


@gradient("DepthToSpace")
def depth_to_space(node: Node, dy: Value) -> Gradients:
    """The two modes order the channels differently: DCR has the block before the depth, CRD after it."""
    x, b = node.operands[0], node.attrs["blocksize"]
    if text(node, "mode", "DCR") == "DCR":
        return (op.SpaceToDepth(dy, blocksize=b),)
    c, h, w = sizes(x, [1, 2, 3], node)
    blocks = op.Reshape(dy, [-1, c // b**2, h, b, w, b], shape=(x.shape[0], c // b**2, h, b, w, b))
    return (like(op.Transpose(blocks, perm=[0, 1, 3, 5, 2, 4]), x),)


@gradient("Trilu")
def trilu(node: Node, dy: Value) -> Gradients:
    return only(node, op.Trilu(dy, optional(node, 1), upper=node.attrs.get("upper", 1)))
