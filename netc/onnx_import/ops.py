"""Ops about shapes and types: made explicit, so that the batch may stay symbolic."""

import numpy as np

from netc.errors import ShapeError
from netc.graph.ir import Value, cast, constant, op
from netc.graph.tensor_type import Dim
from netc.onnx_import import shapes
from netc.onnx_import.model import LARGEST, trained
from netc.onnx_import.sizes import Size, product
from netc.onnx_import.table import Call, Result, becomes


@becomes("Identity")
def identity(call: Call) -> Result:
    """Its input."""
    return call.x


@becomes("Dropout")
def dropout(call: Call) -> Result:
    """Its input, as in inference. The mask keeps every value."""
    x = call.x
    return (x, op.Equal(x, x)) if len(call.node.outputs) > 1 else x


@becomes("Flatten")
def flatten(call: Call) -> Result:
    """A Reshape, since ONNX leaves products of names open."""
    x, axis = call.x, call.attrs.get("axis", 1)
    axis = axis % x.rank if axis < 0 else axis
    return reshaped(call, x, [product(x.shape[:axis]), product(x.shape[axis:])])


@becomes("Shape")
def shape(call: Call) -> Result:
    """A constant, or integers that hold names."""
    part = call.x.shape[slice(call.attrs.get("start", 0), call.attrs.get("end"))]
    if all(isinstance(d, int) for d in part):
        return constant(np.array(part, np.int64))
    value: Value = op.Shape(call.x, **call.attrs)
    content = np.empty(len(part), object)
    content[:] = [Size.of(d) if isinstance(d, str) else d for d in part]
    call.run.contents[value] = content
    return value


@becomes("Size")
def size(call: Call) -> Result:
    """A constant if the shape is known in numbers."""
    total = product(call.x.shape)
    if isinstance(total.dim, int):
        return constant(np.int64(total.dim))
    value: Value = op.Size(call.x)
    content = np.empty((), object)
    content[()] = total
    call.run.contents[value] = content
    return value


@becomes("Cast")
def cast_to(call: Call) -> Result:
    """The input itself if it has the type, as half and double floats have after the import."""
    value: Value = op.Cast(call.x, to=call.attrs["to"])
    return call.x if value.type == call.x.type else value


@becomes("CastLike")
def cast_like(call: Call) -> Result:
    """A Cast."""
    return cast(call.x, call.need(1).dtype)


@becomes("Clip")
def clip(call: Call) -> Result:
    """Omitted bounds become the bounds of the type."""
    x, lowest, highest = call.x, call.get(1), call.get(2)
    least, most = (-LARGEST, LARGEST) if x.dtype.kind == "f" else (np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)
    if lowest is None and highest is None:
        return x
    return op.Clip(x, constant(least, x.dtype) if lowest is None else lowest, constant(most, x.dtype) if highest is None else highest)


@becomes("ConstantOfShape")
def constant_of_shape(call: Call) -> Result:
    """An Expand of one number."""
    number = call.attrs.get("value", np.zeros(1, np.float32))
    return _expanded(call, constant(trained(np.asarray(number).reshape(()))), 0, exact=True)


@becomes("Expand")
def expand(call: Call) -> Result:
    """An Expand of known shape; the input itself if it has the shape."""
    return _expanded(call, call.x, 1)


def _expanded(call: Call, x: Value, k: int, exact: bool = False) -> Value:
    content = call.known(k)
    if content is None:
        raise ShapeError("The shape of the output is known only in a run.")
    wanted = tuple(Size.of(d).dim for d in content.reshape(-1).tolist())
    shape = wanted if exact else shapes.broadcast(x.shape, wanted)
    if shape == x.shape:
        return x
    result: Value = op.Expand(x, call.need(k), shape=shape)
    return result


@becomes("Reshape")
def reshape(call: Call) -> Result:
    """A Reshape whose symbolic size is the -1, so that one graph serves all batches."""
    x, target = call.x, call.known(1)
    if target is None:
        raise ShapeError("The shape of the output is known only in a run.")
    wanted: list[Size | None] = []  # None: the rest
    for k, d in enumerate(target.reshape(-1).tolist()):
        if not isinstance(d, Size) and d == 0 and not call.attrs.get("allowzero"):
            if k >= x.rank:
                raise ShapeError(f"Size 0 in place {k} copies a size of the input, which is {_dims(x.shape)}.")
            wanted.append(Size.of(x.shape[k]))
        else:
            wanted.append(None if not isinstance(d, Size) and d == -1 else Size.of(d))
    if _is_pinned(call, wanted):
        wanted = [Size.of(x.shape[0]), *_complete(x.shape[1:], wanted[1:])]
    return reshaped(call, x, _complete(x.shape, wanted))


def _complete(shape: tuple[Dim, ...], wanted: list[Size | None]) -> list[Size]:
    """The sizes with the one that is open. ShapeError if the products differ."""
    total, known = product(shape), product(s for s in wanted if s is not None)
    text = ", ".join("-1" if s is None else str(s.dim) for s in wanted)
    if None not in wanted:
        if total != known:
            raise ShapeError(f"A tensor of {_dims(shape)} cannot be reshaped to [{text}].")
        return [s for s in wanted if s is not None]
    if known.dim == 0:
        return [Size.of(0) if s is None else s for s in wanted]
    try:
        rest = total // known
    except ValueError as e:
        raise ShapeError(f"A tensor of {_dims(shape)} cannot be reshaped to [{text}].") from e
    return [rest if s is None else s for s in wanted]


def _is_pinned(call: Call, wanted: list[Size | None]) -> bool:
    """Whether the file states a batch of 1 in this Reshape, and the rows can be reshaped one by one instead.

    In the file the tensor has one row. Here it has more rows, and all its other sizes are as in the file. So the first axis is the batch.
    """
    shape, info = call.x.shape, call.run.file.known.get(call.node.inputs[0])
    if not wanted or wanted[0] != Size.of(1) or info is None or info.shape is None or len(shape) < 1 or shape[0] == 1:
        return False
    return info.shape[0] == 1 and tuple(info.shape[1:]) == shape[1:]


def reshaped(call: Call, x: Value, sizes: list[Size]) -> Value:
    """Reshape to known sizes. At most one of them is computed in a run; others that are names are copied from the same place."""
    dims = tuple(s.dim for s in sizes)
    if dims == x.shape:
        return x
    result: Value
    given, open_ = [], False
    for k, d in enumerate(dims):
        if isinstance(d, int):
            given.append(d)
        elif k < x.rank and x.shape[k] == d:
            given.append(0)
        elif not open_:
            given.append(-1)
            open_ = True
        else:
            result = op.Reshape(x, call.need(1), shape=dims)
            return result
    if 0 in dims:  # a 0 in `given` would copy a size
        return op.Reshape(x, given, shape=dims, allowzero=1)
    result = op.Reshape(x, given, shape=dims)
    return result


def _dims(shape: tuple[Dim, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"


@becomes("Squeeze")
def squeeze(call: Call) -> Result:
    """Without axes, all that are 1 in the file. With them stated, a batch of 1 keeps its axis."""
    if call.get(1) is not None:
        return None
    axes = [k for k, d in enumerate(call.x.shape) if d == 1]
    return op.Squeeze(call.x, axes) if axes else call.x


@becomes("Concat")
def concat(call: Call) -> Result:
    """Operands of one row, such as a class token, are repeated for each row of the others."""
    axis = call.attrs["axis"]
    values = [v for v in call.inputs if v is not None]
    rows = next((v.shape[0] for v in values if v.rank and v.shape[0] != 1), 1)
    if axis % values[0].rank == 0 or rows == 1 or not any(v.shape[0] == 1 for v in values):
        return None
    large = next(v for v in values if v.shape[0] == rows)
    return op.Concat(*(_repeated(v, large) if v.shape[0] == 1 else v for v in values), axis=axis)


def _repeated(v: Value, like: Value) -> Value:
    """v (1, ...) with as many rows as `like`."""
    rows = like.shape[0]
    shape = (rows, *v.shape[1:])
    if isinstance(rows, int):
        return op.Expand(v, constant(np.array([rows, *[1] * (v.rank - 1)])), shape=shape)
    ones = constant(np.ones(v.rank - 1, np.int64))
    return op.Expand(v, op.Concat(op.Shape(like, start=0, end=1), ones, axis=0), shape=shape)


@becomes("Sum")
def add_up(call: Call) -> Result:
    """Additions."""
    total = call.x
    for v in call.inputs[1:]:
        total = total if v is None else total + v
    return total


@becomes("Mean")
def mean(call: Call) -> Result:
    """Additions and a division."""
    total = call.x
    for v in call.inputs[1:]:
        total = total if v is None else total + v
    return total * np.float32(1 / len(call.inputs))
