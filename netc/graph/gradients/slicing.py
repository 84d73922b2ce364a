"""Gradients of ops that cut a tensor or pad it."""

import numpy as np

from netc.errors import GradientError
from netc.graph.gradients.along import add_along
from netc.graph.gradients.common import Gradients, like, numbers, only, optional, sizes, text
from netc.graph.ir import TRAINING, Node, Value, cast, constant, constant_value, op, zeros_like
from netc.graph.needed import needed
from netc.graph.tensor_type import MOST_VALUES, Dim
from netc.registry import gradient

END = np.iinfo(np.int64).max  # a bound beyond every axis


@gradient("Slice")
def slice_(node: Node, dy: Value) -> Gradients:
    """Puts dy back in its place, with zeros around it and, if there are steps, between its elements."""
    x = node.operands[0]
    starts, ends, axes, steps = (constant_value(optional(node, k)) for k in (1, 2, 3, 4))
    if starts is None or ends is None or (axes is None) != (optional(node, 3) is None) or (steps is None) != (optional(node, 4) is None):
        return only(node, _scattered(node, dy))
    on = [int(a) % x.rank for a in (range(len(starts)) if axes is None else axes)]
    by = [1] * len(on) if steps is None else [int(s) for s in steps]
    begin, end = [0] * x.rank, [0] * x.rank
    if 0 in dy.shape:
        return only(node, zeros_like(x))
    for axis, first, last, step in zip(on, map(int, starts), map(int, ends), by, strict=True):
        n = x.shape[axis]
        if isinstance(n, str):
            if step != 1 or first != 0 or last < MOST_VALUES:
                return only(node, _scattered(node, dy))
            continue
        kept = _kept(n, first, last, step)
        dy = _stretched(dy, axis, kept.step) if len(kept) > 1 else dy
        low, high = (min(kept), max(kept) + 1) if kept else (0, 0)
        begin[axis], end[axis] = low, n - high
    return only(node, op.Pad(dy, [*begin, *end], shape=x.shape) if any((*begin, *end)) else dy)


def _kept(n: int, first: int, last: int, step: int) -> range:
    """The rows of an axis that ONNX cuts out. A bound beyond the axis counts as its end, also for steps back, unlike in Python."""
    first, last = (bound + n if bound < 0 else bound for bound in (first, last))
    least, most = (0, n) if step > 0 else (-1, n - 1)
    return range(min(max(first, 0), most), min(max(last, least), most), step)


def _stretched(dy: Value, axis: int, step: int) -> Value:
    """dy with |step| - 1 zeros between its elements along an axis; turned round if the step is negative."""
    if step < 0:
        dy = op.Slice(dy, [-1], [-END], [axis], [-1], shape=dy.shape)
    gap, n = abs(step), int(dy.shape[axis])
    if gap == 1:
        return dy
    spread = op.Pad(op.Unsqueeze(dy, [axis + 1]), [*[0] * (dy.rank + 1 + axis + 1), gap - 1, *[0] * (dy.rank - axis - 1)])
    known = [(0 if k < axis else -1) if isinstance(d, str) else d for k, d in enumerate(dy.shape)]
    known[axis] = n * gap
    joined = op.Reshape(spread, known, shape=(*dy.shape[:axis], n * gap, *dy.shape[axis + 1 :]))
    return op.Slice(joined, [0], [(n - 1) * gap + 1], [axis])


def _scattered(node: Node, dy: Value) -> Value:
    """The gradient of a Slice whose bounds are known only in a run: the same cut of the numbers of the rows says where dy belongs."""
    x, rank = node.operands[0], node.operands[0].rank
    starts, ends, axes, steps = (optional(node, k) for k in (1, 2, 3, 4))
    known = constant_value(axes)
    if axes is not None and known is None:
        raise GradientError("The op Slice has a gradient only if its axes are constants.")
    assert starts is not None and ends is not None
    on = [int(a) % rank for a in (range(int(starts.shape[0])) if known is None else known)]
    for k, axis in enumerate(on):
        bounds = [op.Slice(cast(v, np.int64), [k], [k + 1], [0]) for v in (starts, ends)]
        step = None if steps is None else op.Slice(cast(steps, np.int64), [k], [k + 1], [0])
        whole = op.Range(constant(0), op.Squeeze(op.Shape(x, start=axis, end=axis + 1), [0]), constant(1), shape=(x.shape[axis],))
        rows = op.Slice(whole, *bounds, [0], step, shape=(node.outputs[0].shape[axis],))
        dy = _put(dy, axis, rows, x)
    return like(dy, x)


def _put(dy: Value, axis: int, rows: Value, x: Value) -> Value:
    """Zeros with the size of x along an axis, and dy in the rows."""
    perm = [axis, *(i for i in range(dy.rank) if i != axis)]
    front = op.Transpose(dy, perm=perm)
    shape = (x.shape[axis], *front.shape[1:])
    full = op.Concat(op.Shape(x, start=axis, end=axis + 1), op.Shape(front, start=1), axis=0)
    empty = op.Expand(constant(0, dy.dtype), full, shape=shape)
    put = op.ScatterND(empty, op.Unsqueeze(rows, [1]), front)
    return op.Transpose(put, perm=[perm.index(i) for i in range(dy.rank)])


@gradient("Crop", domain=TRAINING)
def crop(node: Node, dy: Value) -> Gradients:
    """Pads dy with zeros. The second input only gives a size, so it has no gradient."""
    x, axis, begin = node.operands[0], node.attrs["axis"], node.attrs["offset"]
    cut = zip(x.shape[axis:], begin, dy.shape[axis:], strict=True)
    end = [0 if a == c else int(a) - b - int(c) for a, b, c in cut]  # equal sizes may be symbolic
    return op.Pad(dy, [*[0] * axis, *begin, *[0] * axis, *end]), None


@gradient("Pad")
def pad(node: Node, dy: Value) -> Gradients:
    """Cuts constants off; in the other modes adds the gradient of each copy to its original. A negative pad has cut, so zeros fill it."""
    x, pads = node.operands[0], numbers(node, 1, "pads") or []
    on = numbers(node, 3, "axes")
    on = list(range(x.rank)) if on is None else [a % x.rank for a in on]
    begin, end = pads[: len(on)], pads[len(on) :]
    mode = text(node, "mode", "constant")
    if mode == "constant":
        dx = _unpadded(dy, on, begin, end, x)
        value = optional(node, 2)
        by_value = None
        if value is not None and needed(value):
            by_value = op.ReduceSum(dy, keepdims=0) - op.ReduceSum(_cut(dy, on, begin, end, x), keepdims=0)
        return only(node, dx, None, by_value)
    for axis, first, last in zip(on, begin, end, strict=True):
        if first or last:
            (n,) = sizes(x, [axis], node)
            kept = np.arange(n)[max(0, -first) : n - max(0, -last)]
            read = np.pad(kept, (max(0, first), max(0, last)), mode=mode)  # type: ignore[call-overload]  # ONNX's modes are NumPy's
            dy = add_along(dy, axis, n, read[:, None])
    return only(node, dy)


def _cut(dy: Value, on: list[int], begin: list[int], end: list[int], x: Value) -> Value:
    """dy without what positive pads added."""
    cuts = [(max(0, a), -max(0, b) or END, axis) for axis, a, b in zip(on, begin, end, strict=True) if a > 0 or b > 0]
    if not cuts:
        return dy
    first, last, axes = map(list, zip(*cuts, strict=True))
    return op.Slice(dy, first, last, axes, shape=_cut_shape(x, on, begin, end))


def _cut_shape(x: Value, on: list[int], begin: list[int], end: list[int]) -> tuple[Dim, ...]:
    """The shape of x without what negative pads have cut."""
    less = {axis: min(0, a) + min(0, b) for axis, a, b in zip(on, begin, end, strict=True)}
    return tuple(n if isinstance(n, str) else n + less.get(k, 0) for k, n in enumerate(x.shape))


def _unpadded(dy: Value, on: list[int], begin: list[int], end: list[int], x: Value) -> Value:
    back = [0] * (2 * x.rank)
    for axis, a, b in zip(on, begin, end, strict=True):
        back[axis], back[x.rank + axis] = max(0, -a), max(0, -b)
    cut = _cut(dy, on, begin, end, x)
    return op.Pad(cut, back, shape=x.shape) if any(back) else cut
