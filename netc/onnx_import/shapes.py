"""Shapes that ONNX's inference leaves open because a size is known only at run time."""

from collections.abc import Callable, Sequence
from math import floor
from typing import TYPE_CHECKING

from netc.graph.tensor_type import Dim
from netc.onnx_import.sizes import Size

if TYPE_CHECKING:
    from netc.onnx_import.table import Call

Shape = tuple[Dim, ...]
LAST = 10**9  # an end of a Slice from here on means the end of the axis


def stated(call: "Call") -> Shape | None:
    """The shape of the first output; None if it is not known."""
    rule = SHAPES.get(call.node.op, _broadcast_all if call.node.op in ELEMENTWISE else None)
    return None if rule is None else rule(call)


def broadcast(a: Sequence[Dim], b: Sequence[Dim]) -> Shape:
    """The shape of a and b together, by NumPy's rules. A name and a number above 1 give the number."""
    rank = max(len(a), len(b))
    left, right = ((1,) * (rank - len(s)) + tuple(s) for s in (a, b))
    return tuple(y if x == 1 or (isinstance(x, str) and isinstance(y, int) and y != 1) else x for x, y in zip(left, right, strict=True))


def sliced(size: Dim, start: int | Size, end: int | Size, step: int) -> Dim | None:
    """The size of a slice of an axis; None if it is not known."""
    if isinstance(size, int) and not isinstance(start, Size) and not isinstance(end, Size):
        return len(range(size)[slice(start, None if step < 0 and end < -size else end, step)])
    whole = Size.of(size)
    if step == -1 and start == -1 and isinstance(end, int) and end < -LAST:
        return size  # reversed
    if step != 1:
        return None
    first = whole + start if not isinstance(start, Size) and start < 0 else Size.of(start)
    last = Size.of(end) if isinstance(end, Size) else whole if end >= LAST else whole + end if end < 0 else Size.of(end)
    if isinstance(last.dim, int) and last.dim > 1 and isinstance(size, str):
        return None  # the axis may be shorter
    return (last - first).dim


def _broadcast_all(call: "Call") -> Shape:
    shape: Shape = ()
    for v in call.inputs:
        shape = shape if v is None else broadcast(shape, v.shape)
    return shape


def _slice(call: "Call") -> Shape | None:
    x = call.x
    starts, ends = call.known(1), call.known(2)
    axes = call.numbers(3) if call.get(3) is not None else list(range(x.rank))
    steps = call.numbers(4) if call.get(4) is not None else [1] * x.rank
    if starts is None or ends is None or axes is None or steps is None:
        return None
    shape = list(x.shape)
    for axis, start, end, step in zip(axes, starts.reshape(-1).tolist(), ends.reshape(-1).tolist(), steps, strict=False):
        size = sliced(shape[axis], start, end, step)
        if size is None:
            return None
        shape[axis] = size
    return tuple(shape)


def _resize(call: "Call") -> Shape | None:
    scales, sizes = call.known(2), call.known(3)
    axes = call.attrs.get("axes", range(call.x.rank))
    shape = list(call.x.shape)
    if sizes is not None and sizes.size:
        for axis, size in zip(axes, sizes.reshape(-1).tolist(), strict=False):
            shape[axis] = Size.of(size).dim
        return tuple(shape)
    if scales is None or not scales.size:
        return None
    for axis, scale in zip(axes, scales.reshape(-1).tolist(), strict=False):
        size = shape[axis]
        if isinstance(size, int):
            shape[axis] = floor(size * scale)
        elif scale != 1:
            return None
    return tuple(shape)


def _tile(call: "Call") -> Shape | None:
    repeats = call.known(1)
    if repeats is None:
        return None
    return tuple((Size.of(d) * k).dim for d, k in zip(call.x.shape, repeats.reshape(-1).tolist(), strict=True))


def _range(call: "Call") -> Shape | None:
    start, limit, delta = (None if a is None else a.reshape(-1)[0] for a in map(call.known, range(3)))
    if start is None or limit is None or delta is None or delta != 1:
        return None
    return ((Size.of(limit) - start).dim,)


def _pad(call: "Call") -> Shape | None:
    pads, axes = call.numbers(1), call.numbers(3) if call.get(3) is not None else list(range(call.x.rank))
    if pads is None or axes is None:
        return None
    shape = list(call.x.shape)
    for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
        shape[axis] = (Size.of(shape[axis]) + before + after).dim
    return tuple(shape)


def _gather(call: "Call") -> Shape:
    axis = call.attrs.get("axis", 0) % call.x.rank
    return (*call.x.shape[:axis], *call.need(1).shape, *call.x.shape[axis + 1 :])


def _window(call: "Call") -> Shape | None:
    """The shape after a convolution or pooling whose stride is 1 where a size is a name."""
    x, a = call.x, call.attrs
    rank = x.rank - 2
    kernel = a.get("kernel_shape") or [int(d) for d in call.need(1).shape[2:]]
    strides, dilations, pads = a.get("strides", [1] * rank), a.get("dilations", [1] * rank), a.get("pads", [0] * rank * 2)
    channels = call.need(1).shape[0] if call.node.op == "Conv" else x.shape[1]
    if (
        a.get("auto_pad", "NOTSET") != "NOTSET"
        or a.get("ceil_mode")
        or any(isinstance(d, str) and s != 1 for d, s in zip(x.shape[2:], strides, strict=True))
    ):
        return None
    shape = [x.shape[0], channels]
    for k, size in enumerate(x.shape[2:]):
        room = Size.of(size) + pads[k] + pads[rank + k] - (kernel[k] - 1) * dilations[k] - 1
        shape.append((room + 1).dim if isinstance(size, str) else int(room.dim) // strides[k] + 1)
    return tuple(shape)


def _same(call: "Call") -> Shape:
    return call.x.shape


ELEMENTWISE = {
    "Add", "And", "BitwiseAnd", "BitwiseOr", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min",
    "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum", "Where", "Xor",
}  # fmt: skip
SHAPES: dict[str, Callable[["Call"], Shape | None]] = {
    "AveragePool": _window, "Conv": _window, "Gather": _gather, "GroupNormalization": _same, "MaxPool": _window,
    "MeanVarianceNormalization": _same, "Pad": _pad, "Range": _range, "Resize": _resize, "Slice": _slice, "Tile": _tile,
}  # fmt: skip
