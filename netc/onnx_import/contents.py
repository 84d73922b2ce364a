"""Follows integers that hold sizes known only at run time, such as the shape `[N, 197, 768]` that a Reshape reads.

Each function computes an op on arrays of `Size` and numbers. It raises ValueError, or returns None, where the result is not known.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from netc.onnx_import.sizes import Size, product

Arrays = Sequence[np.ndarray | None]
Follow = Callable[[Arrays, Mapping[str, Any]], Any]
MOST = 4096  # integers of one tensor that are followed


def follow(op: str, arrays: Arrays, attrs: Mapping[str, Any]) -> np.ndarray | None:
    """The output of an op whose inputs are known in numbers and sizes; None if it is not known."""
    if op not in FOLLOW or any(a is not None and a.size > MOST for a in arrays):
        return None
    try:
        result = FOLLOW[op](arrays, attrs)
    except (ValueError, IndexError, TypeError, ZeroDivisionError):
        return None
    return None if result is None else plain(np.asarray(result, object))


def plain(array: np.ndarray) -> np.ndarray:
    """The array with integers in place of sizes that are numbers; of dtype int64 if all are."""
    flat = [v.dim if isinstance(v, Size) and isinstance(v.dim, int) else v for v in array.reshape(-1).tolist()]
    if not any(isinstance(v, Size) for v in flat):
        kind = bool if flat and all(isinstance(v, bool | np.bool_) for v in flat) else np.int64
        return np.array(flat, kind).reshape(array.shape)
    result = np.empty(len(flat), object)
    result[:] = flat
    return result.reshape(array.shape)


def _get(arrays: Arrays, k: int) -> np.ndarray | None:
    return arrays[k] if k < len(arrays) else None


def _ints(arrays: Arrays, k: int) -> list[int] | None:
    """Input k as numbers. ValueError if it holds sizes."""
    array = _get(arrays, k)
    if array is None:
        return None
    if array.dtype == object and any(isinstance(v, Size) for v in array.reshape(-1)):
        raise ValueError("a size is not a number")
    return [int(v) for v in array.reshape(-1)]


def _first(arrays: Arrays) -> np.ndarray:
    array = arrays[0]
    if array is None:
        raise ValueError("the first input is missing")
    return array.astype(object)


def _same(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    return _first(arrays)


def _gather(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    indices = arrays[1]
    _ints(arrays, 1)
    return np.take(_first(arrays), np.asarray(indices, np.int64), axis=attrs.get("axis", 0))


def _concat(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    return np.concatenate([np.asarray(a, object) for a in arrays], axis=attrs["axis"])


def _unsqueeze(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    return np.expand_dims(_first(arrays), tuple(_ints(arrays, 1) or ()))


def _squeeze(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    axes = _ints(arrays, 1)
    return np.squeeze(_first(arrays), None if axes is None else tuple(axes))


def _slice(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    x = _first(arrays)
    starts, ends = _ints(arrays, 1) or [], _ints(arrays, 2) or []
    axes = _ints(arrays, 3) or list(range(len(starts)))
    steps = _ints(arrays, 4) or [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        x = np.take(x, range(x.shape[axis])[slice(start, None if step < 0 and end < -x.shape[axis] else end, step)], axis=axis)
    return x


def _reshape(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    return np.reshape(_first(arrays), _ints(arrays, 1) or ())


def _elementwise(function: Callable[[Any, Any], Any]) -> Follow:
    def apply(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
        return np.frompyfunc(function, 2, 1)(*(np.asarray(a, object) for a in arrays))

    return apply


def _divide(a: Any, b: Any) -> Any:
    """Truncated division of numbers, as ONNX divides integers; exact division of sizes."""
    if isinstance(a, Size) or isinstance(b, Size):
        return Size.of(a) // b
    return int(a / b) if abs(a) < 2**53 else a // b


def _compare(holds: Callable[[int], bool]) -> Follow:
    """A comparison of a with b. `holds` says whether it is true of the sign of a - b."""

    def compare(a: Any, b: Any) -> bool:
        difference = Size.of(a) - b
        number = difference.dim
        if isinstance(number, int):
            return holds(number)
        low, high = difference.low, (-difference).low
        for bound, direction in ((low, 1), (None if high is None else -high, -1)):
            if bound is not None and bound * direction > 0:  # the difference has this sign
                return holds(direction)
        raise ValueError("the sizes cannot be compared")

    return _elementwise(compare)


def _where(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    chosen, yes, no = arrays
    if chosen is None or chosen.dtype == object:
        return None
    return np.where(chosen, np.asarray(yes, object), np.asarray(no, object))


def _reduce_prod(arrays: Arrays, attrs: Mapping[str, Any]) -> Any:
    x = _first(arrays)
    whole = product(x.reshape(-1).tolist())
    return np.full((1,) * x.ndim if attrs.get("keepdims", 1) else (), whole, object)


def _maximum(a: Any, b: Any) -> Any:
    if not isinstance(a, Size) and not isinstance(b, Size):
        return max(a, b)
    low = (Size.of(a) - b).low
    if low is not None and low >= 0:
        return a
    low = (Size.of(b) - a).low
    if low is not None and low >= 0:
        return b
    raise ValueError("the sizes cannot be compared")


FOLLOW: dict[str, Follow] = {
    "Add": _elementwise(lambda a, b: a + b),
    "Cast": _same,
    "Concat": _concat,
    "Div": _elementwise(_divide),
    "Equal": _compare(lambda d: d == 0),
    "Gather": _gather,
    "Greater": _compare(lambda d: d > 0),
    "GreaterOrEqual": _compare(lambda d: d >= 0),
    "Identity": _same,
    "Less": _compare(lambda d: d < 0),
    "LessOrEqual": _compare(lambda d: d <= 0),
    "Max": _elementwise(_maximum),
    "Mul": _elementwise(lambda a, b: a * b),
    "ReduceProd": _reduce_prod,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": _elementwise(lambda a, b: a - b),
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
