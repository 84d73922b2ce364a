"""Images of another size, by the nearest pixel or by linear interpolation along each spatial axis, with torch's coordinates."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from netc.errors import ShapeError
from netc.graph.ir import Value, constant, op
from netc.graph.tensor_type import Dim
from netc.graph.training_ops.define import training_op

SPATIAL = 2  # the first spatial axis


@training_op("Upsample")
def upsample(
    x: Value, like: Value | None = None, *, scale: list[float] | None = None, size: list[int] | None = None,
    steps: list[int] | None = None, mode: str, align: int,
) -> Value:  # fmt: skip
    """x (N, C, spatial...) with the spatial sizes of `like`, or `size`, or the present ones times `scale`.

    `steps` are two numbers: a size d becomes (d - 1) // steps[1] * steps[0] + 1. `mode` is "nearest" or "linear". `align`: the centres of
    the corner pixels stay in place (align_corners).
    """
    before, scale = x.shape[SPATIAL:], scale or []
    after: list[Dim] = list(size or []) if like is None else list(like.shape[SPATIAL:])
    after = after or ([stepped(d, *steps) for d in before] if steps else [scaled(d, s) for d, s in zip(before, scale, strict=True)])
    if list(before) == after and all(s == 1 for s in scale):
        return op.Identity(x)
    if not any(isinstance(d, str) for d in (*before, *after)):
        if mode == "nearest":
            return _nearest(x, [int(d) for d in after], scale)
        if _differs(list(map(int, before)), list(map(int, after)), scale):
            return _interpolated(x, [int(d) for d in after], scale, align)
    if steps and any(isinstance(d, str) for d in before):
        wanted = op.Concat(op.Shape(x, end=SPATIAL), (op.Shape(x, start=SPATIAL) - 1) / steps[1] * steps[0] + 1, axis=0)
        return _to_sizes(x, wanted, after, mode, align)
    if len(before) == 1:  # onnxruntime interpolates along two or three axes
        return op.Squeeze(_resized(op.Unsqueeze(x, [SPATIAL]), like, [1, *after], [1.0, *scale] if scale else [], mode, align), [SPATIAL])
    return _resized(x, like, after, scale, mode, align)


def scaled(size: Dim, scale: float) -> Dim:
    """A size times a scale, rounded down. A name if `size` is a name."""
    if isinstance(size, int):
        return int(np.floor(np.float64(size) * scale))
    if scale != int(scale):
        raise ShapeError(f"The size {size!r} times {scale:g} is known only in a run.")
    return f"{int(scale)}{size}"


def stepped(size: Dim, more: int, less: int) -> Dim:
    """The number of pixels with `more` steps for each `less` steps between two pixels. A name if `size` is a name."""
    if isinstance(size, int):
        return (size - 1) // less * more + 1
    return f"({size}-1)/{less}*{more}+1"


def _to_sizes(x: Value, wanted: Value, after: Sequence[Dim], mode: str, align: int) -> Value:
    """ONNX's Resize to sizes that are known in a run."""
    attrs: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": _coordinates(mode, align), "nearest_mode": "floor"}
    y: Value = op.Resize(x, None, None, wanted, shape=(*x.shape[:SPATIAL], *after), **attrs)
    return y


def _coordinates(mode: str, align: int) -> str:
    return "align_corners" if align else "asymmetric" if mode == "nearest" else "half_pixel"


def _resized(x: Value, like: Value | None, after: Sequence[Dim], scale: Sequence[float], mode: str, align: int) -> Value:
    """ONNX's Resize along the spatial axes."""
    attrs: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": _coordinates(mode, align), "nearest_mode": "floor"}
    shape = (*x.shape[:SPATIAL], *after)
    if scale:
        y: Value = op.Resize(x, None, constant(np.asarray([1.0, 1.0, *scale], np.float32)), shape=shape, **attrs)
        return y
    if all(isinstance(d, int) for d in shape):
        wanted: Value = constant(np.asarray(shape, np.int64))
    elif all(isinstance(d, int) for d in after):
        wanted = op.Concat(op.Shape(x, end=SPATIAL), constant(np.asarray(after, np.int64)), axis=0)
    elif like is not None and like.rank == x.rank:
        wanted = op.Concat(op.Shape(x, end=SPATIAL), op.Shape(like, start=SPATIAL), axis=0)
    else:
        raise ShapeError("The new size is known only in a run.")
    # The attribute `axes` would need fewer sizes, but onnxruntime's layout optimizer breaks such nodes.
    return _to_sizes(x, wanted, after, mode, align)


def _nearest(x: Value, after: Sequence[int], scale: Sequence[float]) -> Value:
    """The nearest pixels. One Resize where the sizes are multiples, else a Gather along each axis, so that no rounding decides."""
    before = [int(d) for d in x.shape[SPATIAL:]]
    if x.rank == 2 + SPATIAL and all(a % b == 0 for a, b in zip(after, before, strict=True)) and not _differs(before, after, scale):
        return _resized(x, None, after, [], "nearest", 0)
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if a != b or (scale and scale[axis] != 1):
            x = op.Gather(x, constant(_sources(b, a, scale[axis] if scale else 0)), axis=SPATIAL + axis)
    return x


def _interpolated(x: Value, after: Sequence[int], scale: Sequence[float], align: int) -> Value:
    """Linear interpolation by a scale that is not the quotient of the sizes, which onnxruntime takes for the quotient."""
    for axis, (size, factor) in enumerate(zip(after, scale, strict=True)):
        before = int(x.shape[SPATIAL + axis])
        if before != size:  # as in torch, an axis of the same size is copied
            x = _along(x, axis, _matrix(before, size, factor, "linear", align).T)
    return x


def _differs(before: Sequence[int], after: Sequence[int], scale: Sequence[float]) -> bool:
    """Whether a scale is not the quotient of the sizes."""
    return any(s * b != a for s, b, a in zip(scale, before, after, strict=False))


def _sources(before: int, after: int, scale: float) -> np.ndarray:
    """The nearest pixel of each new pixel: torch's floor(i / scale), in single precision."""
    if after % before == 0 and (not scale or scale * before == after):
        return np.arange(after) // (after // before)
    step = np.float32(1 / scale) if scale else np.float32(before) / np.float32(after)
    sources: np.ndarray = np.minimum(np.floor(np.arange(after, dtype=np.float32) * step).astype(np.int64), before - 1)
    return sources


@training_op("UpsampleGrad")
def upsample_grad(dy: Value, *, spatial: list[int], scale: list[float] | None = None, mode: str, align: int) -> Value:
    """The gradient of Upsample with respect to x, which has the spatial sizes `spatial`: each axis by the transposed matrix."""
    after, scale = [int(d) for d in dy.shape[SPATIAL:]], scale or []
    whole = [a // b for a, b in zip(after, spatial, strict=True)]
    if mode == "nearest" and all(a == b * f for a, b, f in zip(after, spatial, whole, strict=True)) and not _differs(spatial, after, scale):
        return _sums(dy, spatial, whole)
    for axis, (b, a) in enumerate(zip(spatial, after, strict=True)):
        if a != b or (mode == "nearest" and scale and scale[axis] != 1):
            dy = _along(dy, axis, _matrix(b, a, scale[axis] if scale else 0, mode, align))
    return dy


def _sums(dy: Value, spatial: Sequence[int], whole: Sequence[int]) -> Value:
    """The sum of each block of `whole` pixels."""
    pairs = [d for pair in zip(spatial, whole, strict=True) for d in pair]
    blocks = op.Reshape(dy, [0, 0, *pairs], shape=(*dy.shape[:SPATIAL], *pairs))
    return op.ReduceSum(blocks, [SPATIAL + 1 + 2 * k for k in range(len(spatial))], keepdims=0)


def _along(dy: Value, axis: int, matrix: np.ndarray) -> Value:
    """The spatial axis `axis` of dy, times a matrix (new, present)."""
    spatial = [int(d) for d in dy.shape[SPATIAL:]]
    new = [*spatial[:axis], len(matrix), *spatial[axis + 1 :]]
    if axis == len(spatial) - 1:
        return dy @ constant(np.ascontiguousarray(matrix.T))
    outer, inner = int(dy.shape[1]) * prod(spatial[:axis]), prod(spatial[axis + 1 :])
    planes = op.Reshape(dy, [0, outer, spatial[axis], inner], shape=(dy.shape[0], outer, spatial[axis], inner))
    return op.Reshape(constant(np.ascontiguousarray(matrix)) @ planes, [0, -1, *new], shape=(*dy.shape[:SPATIAL], *new))


def _matrix(before: int, after: int, scale: float, mode: str, align: int) -> np.ndarray:
    """(before, after): the weight of each old pixel in each new one."""
    matrix = np.zeros((before, after), np.float32)
    new = np.arange(after)
    if mode == "nearest":
        matrix[_sources(before, after, scale), new] = 1
        return matrix
    step = (before - 1) / max(after - 1, 1) if align else 1 / scale if scale else before / after
    at = np.clip(new * step if align else (new + 0.5) * step - 0.5, 0, before - 1)
    low = np.floor(at).astype(np.int64)
    share = at - low
    matrix[low, new] = 1 - share
    np.add.at(matrix, (np.minimum(low + 1, before - 1), new), share.astype(np.float32))
    return matrix
