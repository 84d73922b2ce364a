"""Ops that move elements: shapes, parts, cuts and indices."""

from typing import Any

import numpy as np
from onnx import TensorProto

from netc.graph.ir import TRAINING, Value, constant, op
from netc.graph.training_ops.shape import crop
from tests.graph.gradients.arrays import Fixed, batched, normal, spaced


def cut(*shape: int, **bounds: list[int]) -> tuple[Any, ...]:
    places = bounds["starts"], bounds["ends"], bounds.get("axes"), bounds.get("steps")
    return batched(lambda x, **stated: op.Slice(x, *places, **stated)), normal(*shape)


def cut_in_a_run(*shape: int, out: Any, starts: list[int], ends: list[int], axes: list[int], steps: Any) -> tuple[Any, ...]:
    """A Slice whose bounds are computed."""

    def f(x: Value) -> Value:
        begin = op.Cast(constant(starts) + op.Size(x) * 0, to=TensorProto.INT32)
        end, by = (None if v is None else constant(np.array(v, np.int32)) for v in (ends, steps))
        return op.Slice(x, begin, end, constant(np.array(axes, np.int32)), by, shape=(x.shape[0], *out[1:]) if axes[0] else out)

    return Fixed(f, "cut along it") if 0 in axes else f, normal(*shape)


def padded(*shape: int, pads: list[int], axes: Any = None, mode: str = "constant") -> tuple[Any, ...]:
    return batched(lambda x, **stated: op.Pad(x, pads, None, axes, mode=mode, **stated)), normal(*shape)


def picked(shape: tuple[int, ...], index: Any, axis: int = 0, computed: bool = False) -> tuple[Any, ...]:
    def f(x: Value) -> Value:
        places = constant(np.array(index))
        return op.Gather(x, places + op.Size(x) * 0 if computed else places, axis=axis)

    return Fixed(f, "a table") if axis == 0 else f, normal(*shape)


def written(name: str, index: Any, shape: tuple[int, ...], updates: tuple[int, ...], **attrs: Any) -> list[tuple[Any, ...]]:
    """With each reduction; the data and the updates have zeros, of which some meet."""
    call, places = getattr(op, name), constant(np.array(index))
    data, more = spaced(*shape) + np.float32(0.03), spaced(*updates)

    def f(reduction: str) -> Any:
        return Fixed(lambda x, u: call(x, places, u, reduction=reduction, **attrs), "a table")

    some, others = (np.where(np.arange(a.size).reshape(a.shape) % 3 == 0, np.float32(0), a) for a in (data, more))
    return [*((f(r), data, more) for r in ("add", "mul", "max", "min")), (f("mul"), some, others)]


LAST = np.iinfo(np.int64).max
SHAPES: dict[str, Any] = {
    "Concat": [
        (lambda a, b, c: op.Concat(a, b, c, axis=1), normal(2, 1), normal(2, 3), normal(2, 2)),
        (lambda a, b: op.Concat(a, b, axis=-2), normal(2, 1, 2), normal(2, 3, 2)),
        (lambda a: op.Concat(a, axis=0), normal(2, 1)),
    ],
    "DepthToSpace": [(lambda x, m=m: op.DepthToSpace(x, blocksize=2, mode=m), normal(2, 8, 2, 3)) for m in ("DCR", "CRD")],
    "Expand": [(Fixed(lambda x: op.Expand(x, [4, 2, 3]), "grows"), normal(2, 1)), (lambda x: op.Expand(x, [1, 1, 3]), normal(2, 4, 1))],
    "Flatten": [
        (lambda x: op.Flatten(x) * 2.0, normal(2, 3, 2)),
        (Fixed(lambda x: op.Flatten(x, axis=-1) * 2.0, "joined"), normal(2, 3, 2)),
    ],
    "Reshape": [(Fixed(lambda x: op.Reshape(x, [3, -1]) * 2.0, "joined"), normal(2, 3))],
    "SpaceToDepth": [(lambda x: op.SpaceToDepth(x, blocksize=2), normal(2, 3, 4, 2))],
    "Split": [
        (lambda x: op.Split(x, [1, 2, 2], axis=1, outputs=3)[1], normal(2, 5)),
        (lambda x: op.Split(x, axis=-1, num_outputs=2, outputs=2)[1], normal(2, 5)),
    ],
    "Squeeze": [(lambda x: op.Squeeze(x, [1]), normal(2, 1, 3)), (Fixed(op.Squeeze, "maybe 1"), normal(2, 1, 3))],
    "Tile": [
        (batched(lambda x, **stated: op.Tile(x, [1, 3, 2], **stated)), normal(2, 3, 2)),
        (Fixed(lambda x: op.Tile(x, [2]), "grows"), normal(3)),
    ],
    "Transpose": [(lambda x: op.Transpose(x, perm=[2, 0, 1]), normal(2, 3, 4)), (op.Transpose, normal(2, 3))],
    "Trilu": [
        (op.Trilu, normal(2, 3, 3)),
        (lambda x: op.Trilu(x, constant(-1), upper=0), normal(2, 3, 4)),
        (lambda x: op.Trilu(x, constant(1)), normal(2, 3, 4)),
    ],
    "Unsqueeze": [(lambda x: op.Unsqueeze(x, [0, 2]), normal(2, 3))],
}
CUTS: dict[str, Any] = {
    "Pad": [
        padded(2, 3, 4, pads=[0, 1, 2, 0, 0, 3]),
        padded(2, 3, 4, pads=[0, -1, 2, 0, 0, -2]),
        padded(2, 3, 4, pads=[1, 2], axes=[-1]),
        padded(2, 3, 4, pads=[-2, -1], axes=[2]),
        *(padded(2, 3, 4, 5, pads=[0, 0, 2, 3, 0, 0, 1, 4], mode=m) for m in ("reflect", "edge", "wrap")),
        padded(2, 3, 600, pads=[0, 0, 9, 0, 0, 50], mode="reflect"),
        padded(2, 3, 5, pads=[0, -1, 0, 0, 2, -1], mode="edge"),
        (lambda x, v: op.Pad(x, [0, 1, 0, -1], v), normal(2, 3), normal()),
    ],
    "Slice": [
        cut(4, 2, 5, starts=[-2], ends=[9], axes=[2]),
        (Fixed(lambda x: op.Slice(x, [1, 0], [3, 1]), "cut along it"), normal(4, 2)),
        (Fixed(lambda x: op.Slice(x, [1, -2], [3, 9], [0, 2]), "cut along it"), normal(4, 2, 5)),
        cut(2, 7, 3, starts=[1], ends=[LAST], axes=[1], steps=[2]),
        cut(2, 7, 8, starts=[0, 1], ends=[6, LAST], axes=[1, -1], steps=[3, 2]),
        cut(2, 7, 3, starts=[-1], ends=[-LAST], axes=[1], steps=[-1]),
        cut(2, 7, 3, starts=[5], ends=[0], axes=[1], steps=[-2]),
        cut(2, 7, 3, starts=[-2, -1], ends=[-6, -LAST], axes=[1, 2], steps=[-3, -1]),
        cut(2, 3, starts=[0, 0], ends=[LAST, 2]),
        cut(2, 4, 3, starts=[-8], ends=[-6], axes=[1], steps=[-3]),  # one row, where Python cuts none
        cut(2, 4, 3, starts=[9], ends=[1], axes=[1], steps=[-2]),
        cut(2, 4, 3, starts=[2], ends=[2], axes=[1], steps=[2]),  # no row
        cut_in_a_run(2, 5, 3, out=(2, 3, 3), starts=[1], ends=[4], axes=[1], steps=None),
        cut_in_a_run(2, 5, 4, out=(2, 2, 4), starts=[4, 3], ends=[0, -9], axes=[1, 2], steps=[-2, -1]),
        cut_in_a_run(5, 2, out=(2, 2), starts=[1], ends=[4], axes=[0], steps=[2]),
    ],
    f"{TRAINING}.Crop": [
        (lambda x: crop(x, constant(np.zeros((2, 3, 2, 3))), axis=1, offset=[1, 0, 2]), normal(2, 4, 2, 5)),
        (lambda x: crop(x, x, axis=0, offset=[0, 0]), normal(4, 3)),
    ],
}
INDICES: dict[str, Any] = {
    "Compress": [(Fixed(lambda x: op.Compress(x, constant(np.array([True, False, True])), axis=0, shape=(2, 4)), "cut"), normal(3, 4))],
    "Gather": [
        picked((3, 4), [2, 0, 2]),
        picked((3, 2), [[1, 1], [0, 1]]),
        picked((3, 2), [[1, 1], [-3, -1]], computed=True),
        picked((2, 3, 4), 1, axis=1),
        picked((2, 3, 4), -1, axis=-1),
        picked((2, 3, 4), 1, axis=1, computed=True),
        picked((3, 4), 2),
        picked((2, 3, 4), [2, 0, 2, -1], axis=1),
        picked((2, 3, 4), [[2, 0], [1, -2], [0, 0]], axis=1),
        picked((2, 3, 4), [[2, 0], [1, -2]], axis=-1, computed=True),
        picked((2, 600, 2), list(range(-600, 600)), axis=1),
        (Fixed(lambda x: op.Gather(x, constant(np.array([1, 0], np.int32))), "a table"), normal(3, 4)),
    ],
    "GatherElements": [
        (Fixed(lambda x: op.GatherElements(x, constant(np.array([[2, 2], [0, 1]])), axis=1), "an index of two"), normal(2, 3)),
        (Fixed(lambda x: op.GatherElements(x, constant(np.array([[-1, 0, 1]])), axis=-2), "along it"), normal(2, 3)),
    ],
    "GatherND": [
        (Fixed(lambda x: op.GatherND(x, constant(np.array([[0, 1], [1, 0], [0, 1]]))), "a table"), normal(2, 2, 3)),
        (Fixed(lambda x: op.GatherND(x, constant(np.array([[-1], [1]]))), "a table"), normal(3, 2)),
        (lambda x: op.GatherND(x, constant(np.array([[[0, 1], [2, 2]], [[2, 0], [2, 0]]])), batch_dims=1), normal(2, 3, 3)),
        (lambda x: op.GatherND(x, constant(np.array([[[0], [2]], [[2], [2]]])), batch_dims=2), normal(2, 2, 3, 2)),
    ],
    "ReverseSequence": [
        (lambda x: op.ReverseSequence(x, constant([4, 2]), time_axis=1, batch_axis=0), normal(2, 4, 3)),
        (Fixed(lambda x: op.ReverseSequence(x, constant([4, 2, 1])), "time"), normal(4, 3, 2)),
    ],
    "ScatterElements": [
        *written("ScatterElements", [[2, 2, 0], [0, -3, 0]], (2, 4), (2, 3), axis=1),
        *written("ScatterElements", [[1, 0], [-1, 2]], (3, 2), (2, 2)),
        (lambda x, u: op.ScatterElements(x, constant(np.array([[2], [0]])), u, axis=1), normal(2, 3), normal(2, 1)),
    ],
    "ScatterND": [
        *written("ScatterND", [[0], [2], [0], [-1]], (3, 2), (4, 2)),
        *written("ScatterND", [[0, 1], [1, 0], [0, 1]], (2, 2, 3), (3, 3)),
        (Fixed(lambda x, u: op.ScatterND(x, constant(np.array([[0, 1], [1, 0]])), u), "a table"), normal(2, 2, 3), normal(2, 3)),
    ],
    "TopK": [
        (lambda x: op.TopK(x, constant([2]), outputs=2)[0], spaced(3, 5)),
        (lambda x: op.TopK(x, constant([2]), axis=1, largest=0, outputs=2)[0], spaced(3, 5, 2)),
    ],
}  # fmt: skip
ROWS = SHAPES | CUTS | INDICES
