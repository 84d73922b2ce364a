"""Kernels given what does not fit: run in a process of its own, which prints each case before it and what came of it after.

`python -m tests.runtime.native.hostile [LIBRARY]` prints a JSON line a case: the op, what was changed, and the error, or null.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from netc.errors import RunError
from netc.runtime import native
from netc.runtime.backends import with_library
from netc.runtime.session import Session
from tests.runtime.native.test_kernels import ROWS, model_of

SIZES = (-1, 0, 257, 1 << 31, (1 << 62) + 1)
HUGE = 1 << 40


def shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """What an input of this shape could be instead."""
    yield from (
        (),
        (1,),
        (0,),
        (*shape, 1),
        (1, *shape),
        shape[1:],
        shape[:-1],
        *((0, HUGE, 1 << 18, 1)[: k + 1] for k in range(1, len(shape))),
    )
    for axis, size in enumerate(shape):
        for other in (0, 1, size + 1, 2 * size):
            yield (*shape[:axis], other, *shape[axis + 1 :])


def values(name: str, value: Any) -> Iterator[Any]:
    """What an attribute could be instead."""
    if isinstance(value, float):
        yield from (float("nan"), float("inf"), -1.0, 0.0, 1.0)
    elif isinstance(value, int):
        yield from SIZES
    else:
        yield from ([], value[1:], [*value, 1])
        for i in range(len(value)):
            yield from ([*value[:i], size, *value[i + 1 :]] for size in SIZES)
        yield from ([size] * len(value) for size in (*SIZES, 1 << 15, 1 << 20))


def cases(name: str) -> Iterator[tuple[str, onnx.ModelProto, list[np.ndarray]]]:
    """(what was changed, model, inputs) for a row of an op."""
    function, *given = max(ROWS[name], key=lambda row: np.ndim(row[1]))
    arrays, model = [np.asarray(a) for a in given], model_of(function, given, native.KERNELS)
    for part in (*model.graph.input, *model.graph.output):
        part.type.tensor_type.ClearField("shape")
    (node,) = [n for n in model.graph.node if n.domain]
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    def changed(**fields: Any) -> onnx.ModelProto:
        other = onnx.ModelProto.FromString(model.SerializeToString())
        target = next(n for n in other.graph.node if n.domain)
        for field, new in fields.items():
            if field == "attributes":
                del target.attribute[:]
                target.attribute.extend(
                    onnx.helper.make_attribute(k, v, attr_type=7 if isinstance(v, list) else None) for k, v in new.items()
                )
            else:
                getattr(target, field)[:] = new
        made = {x for n in other.graph.node for x in n.output}
        kept = [o for o in other.graph.output if o.name in made]
        del other.graph.output[:]
        other.graph.output.extend(kept)
        return other

    for i, array in enumerate(arrays):
        for shape in shapes(array.shape):
            if shape != array.shape:
                yield f"input {i} of shape {shape}", model, [*arrays[:i], np.zeros(shape, array.dtype), *arrays[i + 1 :]]
        for bad in (-1, 1 << 40) if array.dtype == np.int64 else ():
            yield f"input {i} full of {bad}", model, [*arrays[:i], np.full_like(array, bad), *arrays[i + 1 :]]
        left = ["" if x == f"x{i}" else x for x in node.input]
        yield f"input {i} left out", changed(input=left), arrays
    for i in range(1, len(node.output)):
        yield f"output {i} left out", changed(output=[*node.output[:i], "", *node.output[i + 1 :]]), arrays
        yield f"outputs from {i} on left out", changed(output=node.output[:i]), arrays
    for key, value in attributes.items():
        yield f"no {key}", changed(attributes={k: v for k, v in attributes.items() if k != key}), arrays
        for new in values(key, value):
            yield f"{key}: {new}", changed(attributes=attributes | {key: new}), arrays


def result(model: onnx.ModelProto, arrays: list[np.ndarray], library: Path) -> str | None:
    try:
        session = Session(model, with_library(library))
        session.run({n: arrays[int(n[1:])] for n in session.inputs})
    except RunError as e:
        return str(e)
    return None


def main(library: Path) -> None:
    for name in sorted(native.KERNELS):
        for what, model, arrays in cases(name):
            print(json.dumps([name, what]), flush=True, end="\t")
            print(json.dumps(result(model, arrays, library)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else native.libraries()[0])
