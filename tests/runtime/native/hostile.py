"""Malformed calls of kernels, run in a process of their own that a crash may end.

`python -m tests.runtime.native.hostile [LIBRARY]` prints a line for each case: a JSON list of the op, the change, and the name
that the error must have ("" if the change may be valid); then a tab and the error as JSON, null without one. The first part
is printed before the case runs.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from netc.errors import RunError
from netc.runtime import native
from netc.runtime.backends import with_library
from netc.runtime.session import Session
from tests.runtime.native.declared import Call, is_wrong
from tests.runtime.native.test_kernels import ROWS, model_of

SIZES = (-1, 0, 257, 1 << 31, (1 << 62) + 1)
HUGE = 1 << 40
Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """A model with its inputs, what was changed in them, and the input that the error must name."""

    change: str
    model: onnx.ModelProto
    arrays: list[Array]
    wrong: str = ""


def shapes(shape: Shape) -> Iterator[Shape]:
    """Shapes that an input could have instead: of another rank, empty, too small, too large."""
    yield from ((), (1,), (0,), (*shape, 1), (1, *shape), shape[1:], shape[:-1])
    yield from ((0, HUGE, 1 << 18, 1)[: k + 1] for k in range(1, len(shape)))
    for axis, size in enumerate(shape):
        for other in (0, 1, size - 1, size + 1, 2 * size):
            yield (*shape[:axis], other, *shape[axis + 1 :])


def values(value: Any) -> Iterator[Any]:
    """Values that an attribute could have instead."""
    if isinstance(value, float):
        yield from (float("nan"), float("inf"), -1.0, 0.0, 1.0)
    elif isinstance(value, int):
        yield from SIZES
    else:
        yield from ([], value[1:], [*value, 1])
        for i in range(len(value)):
            yield from ([*value[:i], size, *value[i + 1 :]] for size in SIZES)
        yield from ([size] * len(value) for size in (*SIZES, 1 << 15, 1 << 20))


def node_of(model: onnx.ModelProto) -> onnx.NodeProto:
    """The node that is tested."""
    return next(n for n in model.graph.node if n.domain)


def copy(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model to change."""
    return onnx.ModelProto.FromString(model.SerializeToString())


def with_attributes(model: onnx.ModelProto, attributes: dict[str, Any]) -> onnx.ModelProto:
    """The model with other attributes of its node."""
    other = copy(model)
    node = node_of(other)
    del node.attribute[:]
    made = (onnx.helper.make_attribute(k, v, attr_type=7 if isinstance(v, list) else None) for k, v in attributes.items())
    node.attribute.extend(made)
    return other


def with_names(model: onnx.ModelProto, field: str, names: list[str]) -> onnx.ModelProto:
    """The model with other inputs or outputs of its node; outputs that nothing makes are dropped."""
    other = copy(model)
    getattr(node_of(other), field)[:] = names
    made = {x for n in other.graph.node for x in n.output}
    kept = [o for o in other.graph.output if o.name in made]
    del other.graph.output[:]
    other.graph.output.extend(kept)
    return other


def with_type(model: onnx.ModelProto, name: str, type: int) -> onnx.ModelProto:
    """The model with another element type of one input."""
    other = copy(model)
    next(i for i in other.graph.input if i.name == name).type.tensor_type.elem_type = type
    return other


def input_cases(kernel: native.Kernel, model: onnx.ModelProto, arrays: list[Array]) -> Iterator[Case]:
    """Cases with one input of another shape, type or content, or left out."""
    names = list(node_of(model).input)
    fed = {x: a for x, a in zip((f"x{i}" for i in range(len(arrays))), arrays, strict=True)}
    for i, array in enumerate(arrays):
        place = names.index(f"x{i}")
        alone = [x if x != f"x{i}" or k == place else "" for k, x in enumerate(names)]  # an array may be two inputs: both change
        call = Call.of(kernel, [fed[x].shape if x else None for x in alone])
        argument = call.arguments[place].name
        for shape in shapes(array.shape):
            if shape != array.shape and min(shape, default=0) >= 0:
                wrong = argument if is_wrong(kernel, call, place, shape) else ""
                changed = [*arrays[:i], np.zeros(shape, array.dtype), *arrays[i + 1 :]]
                yield Case(f"input {argument} of shape {shape}", model, changed, wrong)
        for bad in (-1, HUGE) if array.dtype == np.int64 else ():
            yield Case(f"input {argument} full of {bad}", model, [*arrays[:i], np.full_like(array, bad), *arrays[i + 1 :]], argument)
        doubles = [*arrays[:i], array.astype(np.float64), *arrays[i + 1 :]]
        yield Case(f"input {argument} of float64", with_type(model, f"x{i}", onnx.TensorProto.DOUBLE), doubles, node_of(model).input[place])
        left = ["" if x == f"x{i}" else x for x in names]
        wrong = "" if call.arguments[place].optional else "input"
        yield Case(f"input {argument} left out", with_names(model, "input", left), arrays, wrong)


def cases(kernel: native.Kernel) -> Iterator[Case]:
    """Every case of an op, made of the row with the most dimensions."""
    function, *given = max(ROWS[kernel.op], key=lambda row: np.ndim(row[1]))
    arrays, model = [np.asarray(a) for a in given], model_of(function, given, frozenset({kernel.op}))
    for part in (*model.graph.input, *model.graph.output):
        part.type.tensor_type.ClearField("shape")
    node = node_of(model)
    yield from input_cases(kernel, model, arrays)
    for i in range(1, len(node.output)):
        yield Case(f"output {i} left out", with_names(model, "output", [*node.output[:i], "", *node.output[i + 1 :]]), arrays)
        yield Case(f"outputs from {i} on left out", with_names(model, "output", list(node.output[:i])), arrays)
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    attributes.pop("keep", None)  # which only the body of an op reads
    for key, value in attributes.items():
        yield Case(f"no {key}", with_attributes(model, {k: v for k, v in attributes.items() if k != key}), arrays, key)
        for new in values(value):
            yield Case(f"{key}: {new}", with_attributes(model, attributes | {key: new}), arrays)


class Runner:
    """Runs cases with a library. A session serves all cases that have its model in a row."""

    def __init__(self, library: Path) -> None:
        self.library = library
        self.model: onnx.ModelProto | None = None

    def error_of(self, case: Case) -> str | None:
        """What onnxruntime reports when it loads and runs a case; None without an error."""
        try:
            if self.model is not case.model:
                self.session, self.model = Session(case.model, with_library(self.library)), case.model
            self.session.run({n: case.arrays[int(n[1:])] for n in self.session.inputs})
        except RunError as e:
            return str(e)
        return None


def main(library: Path) -> None:
    runner = Runner(library)
    for kernel in native.kernels(library):
        for case in cases(kernel):
            print(json.dumps([kernel.op, case.change, case.wrong]), flush=True, end="\t")
            print(json.dumps(runner.error_of(case)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else native.libraries()[0])
