"""Gradients of ops that are linear in each input, and of ops that only move elements."""

from netc.errors import GradientError
from netc.graph.ir import TRAINING, Node, Value, constant_value, op, shape_of, zeros_like
from netc.graph.training_ops.shape import split as split_parts
from netc.registry import gradient

Gradients = tuple[Value | None, ...]


def _swapped(x: Value) -> Value:
    return op.Transpose(x, perm=[*range(x.rank - 2), x.rank - 1, x.rank - 2])


@gradient("MatMul")
def matmul(node: Node, dy: Value) -> Gradients:
    """For operands with two axes or more. If only one operand has a batch, autodiff sums over it."""
    a, b = node.operands
    return dy @ _swapped(b), _swapped(a) @ dy


@gradient("Gemm")
def gemm(node: Node, dy: Value) -> Gradients:
    """y = alpha A' B' + beta C, where ' transposes if transA or transB is set."""
    a, b = node.operands[:2]
    alpha, beta = node.attrs.get("alpha", 1.0), node.attrs.get("beta", 1.0)
    trans_a, trans_b = node.attrs.get("transA", 0), node.attrs.get("transB", 0)
    da = op.Gemm(b, dy, transA=trans_b, transB=1, alpha=alpha) if trans_a else op.Gemm(dy, b, transB=1 - trans_b, alpha=alpha)
    db = op.Gemm(dy, a, transA=1, transB=trans_a, alpha=alpha) if trans_b else op.Gemm(a, dy, transA=1 - trans_a, alpha=alpha)
    if len(node.operands) < 3:
        return (da, db, None)[: len(node.inputs)]
    return da, db, dy if beta == 1 else dy * beta


@gradient("Transpose")
def transpose(node: Node, dy: Value) -> Gradients:
    perm = node.attrs.get("perm")
    return (op.Transpose(dy, perm=[perm.index(i) for i in range(len(perm))]) if perm else op.Transpose(dy),)


@gradient("Reshape", "Squeeze", "Unsqueeze")
def reshape(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return op.Reshape(dy, shape_of(x), shape=x.shape), *(None for _ in node.inputs[1:])


@gradient("Expand")
def expand(node: Node, dy: Value) -> Gradients:
    return dy, None


@gradient("Concat")
def concat(node: Node, dy: Value) -> Gradients:
    if len(node.inputs) == 1:
        return (dy,)
    axis = node.attrs["axis"]
    sizes = [int(x.shape[axis]) for x in node.operands]
    return split_parts(dy, sizes, axis)


@gradient("Split")
def split(node: Node, *dys: Value | None) -> Gradients:
    parts = [zeros_like(y) if dy is None else dy for y, dy in zip(node.outputs, dys, strict=True)]
    dx = op.Concat(*parts, axis=node.attrs.get("axis", 0))
    return dx, *(None for _ in node.inputs[1:])


@gradient("Slice")
def slice_(node: Node, dy: Value) -> Gradients:
    """Pads dy with zeros. Starts, ends and axes must be constants, and the steps 1."""
    x, (starts, ends, axes, steps) = node.operands[0], (*node.inputs[1:], None, None)[:4]
    begin, end, on = constant_value(starts), constant_value(ends), constant_value(axes)
    step = constant_value(steps)
    if begin is None or end is None or (step is not None and (step != 1).any()):
        raise GradientError("Slice has a gradient only where its bounds are constants and its steps 1")
    pads = [0] * (2 * x.rank)
    for axis, first, last in zip(range(x.rank) if on is None else on, begin, end, strict=True):
        size = int(x.shape[axis])
        pads[axis % x.rank] = min(max(int(first) + (size if first < 0 else 0), 0), size)
        pads[x.rank + axis % x.rank] = size - min(max(int(last) + (size if last < 0 else 0), 0), size)
    return op.Pad(dy, pads), *(None for _ in node.inputs[1:])


@gradient("Crop", domain=TRAINING)
def crop(node: Node, dy: Value) -> Gradients:
    """Pads dy with zeros. The second input only gives a size, so it has no gradient."""
    x, axis, begin = node.operands[0], node.attrs["axis"], node.attrs["offset"]
    sizes = zip(x.shape[axis:], begin, dy.shape[axis:], strict=True)
    end = [0 if a == c else int(a) - b - int(c) for a, b, c in sizes]  # equal sizes may be symbolic
    return op.Pad(dy, [*[0] * axis, *begin, *[0] * axis, *end]), None


@gradient("Tile")
def tile(node: Node, dy: Value) -> Gradients:
    """Sums over the copies."""
    x, repeats = node.operands[0], constant_value(node.operands[1])
    if repeats is None:
        raise GradientError("Tile has a gradient only where its repeats are constants")
    axis = [i for i, r in enumerate(repeats) if r != 1]
    split = [d for n, r in zip(x.shape, repeats, strict=True) for d in ((int(r), n) if r != 1 else (n,))]
    numbers = [d if isinstance(d, int) else 0 if i < x.rank and d == x.shape[i] else -1 for i, d in enumerate(split)]
    parts = op.Reshape(dy, numbers, shape=tuple(split))
    return op.ReduceSum(parts, [i + k for k, i in enumerate(axis)], keepdims=0), None


@gradient("Gather")
def gather(node: Node, dy: Value) -> Gradients:
    """Adds each row of dy to the row that it was read from. The index may have any shape; the axis must be 0."""
    x, index = node.operands
    if node.attrs.get("axis", 0) != 0:
        raise GradientError("Gather has a gradient only along axis 0")
    return op.ScatterND(zeros_like(x), op.Unsqueeze(index, [-1]), dy, reduction="add"), None


@gradient("GatherElements")
def gather_elements(node: Node, dy: Value) -> Gradients:
    x, index = node.operands
    return op.ScatterElements(zeros_like(x), index, dy, axis=node.attrs.get("axis", 0), reduction="add"), None


@gradient("Compress")
def compress(node: Node, dy: Value) -> Gradients:
    """Puts the rows back in their original places, with zeros elsewhere."""
    x, chosen = node.operands
    if node.attrs.get("axis") != 0:
        raise GradientError("Compress has a gradient only along axis 0")
    rows = op.Transpose(op.NonZero(chosen, shape=(1, dy.shape[0])), perm=[1, 0])
    return op.ScatterND(zeros_like(x), rows, dy), None
