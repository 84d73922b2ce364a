"""Runs of exported models on random inputs: how far two forms of a model differ."""

from typing import Any

import numpy as np
import onnx

from netc.compiler.lower import SYMBOLIC, Lowered
from netc.errors import NetcError, SpecError
from netc.graph.contract import BATCH
from netc.graph.tensor_type import Shape
from netc.runtime.session import Session

TIMES = 4  # steps of a sequence of any length
CLOSE = 1e-5, 1e-2  # the largest difference between opsets relative to the largest output, in float32 and in float16


def shape_of(port: onnx.ValueInfoProto) -> Shape:
    """The shape of an input or an output of a model."""
    return tuple(d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim)


def inputs_of(model: onnx.ModelProto, lowered: Lowered, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs for a model, standard normal, in the sizes of the net file, with one row per batch. Whole numbers are zeros."""
    own = {BATCH.bare(n.name): n.types[0].shape for n in lowered.graph.leaves("Input")}
    random = np.random.default_rng(seed)
    feeds: dict[str, Any] = {}
    for port in model.graph.input:
        stated = own.get(port.name, ())
        sizes = [d if isinstance(d, int) else _size(d, stated[k] if k < len(stated) else d) for k, d in enumerate(shape_of(port))]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(port.type.tensor_type.elem_type)
        feeds[port.name] = random.standard_normal(sizes).astype(dtype) if dtype.kind == "f" else np.zeros(sizes, dtype)
    return feeds


def _size(name: str, stated: int | str) -> int:
    return stated if isinstance(stated, int) else 1 if name == SYMBOLIC else TIMES


def fix_batch(model: onnx.ModelProto, lowered: Lowered) -> None:
    """Replace the symbolic batch size of a model by the one in the net file."""
    sizes = [
        int(layer.param.input_param.shape[0].dim[0])
        for layer in lowered.net.layers
        if layer.type == "Input" and layer.param.input_param.shape
    ]
    for port in (*model.graph.input, *model.graph.output) if sizes else ():
        for dim in port.type.tensor_type.shape.dim:
            if dim.dim_param == SYMBOLIC:
                dim.dim_value = sizes[0]


def errors(a: onnx.ModelProto, b: onnx.ModelProto, lowered: Lowered) -> dict[str, tuple[float, float]]:
    """By output of two forms of a model: the largest difference on random inputs, and the largest output."""
    feeds = inputs_of(a, lowered)
    wanted, found = Session(a).run(feeds), Session(b).run(feeds)
    return {name: largest(wanted[name], found[name]) for name in wanted if name in found}


def largest(wanted: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """The largest difference of two arrays, infinite if their shapes differ, and the largest value of the first."""
    if wanted.shape != found.shape:
        return float("inf"), 0.0
    a, b = wanted.astype(np.float64), found.astype(np.float64)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    difference = np.abs(np.where(same, 0.0, a) - np.where(same, 0.0, b))
    return float(difference.max(initial=0.0)), float(np.abs(np.nan_to_num(a)).max(initial=0.0))


def difference(a: onnx.ModelProto, b: onnx.ModelProto, lowered: Lowered) -> str:
    """What users read of the difference between two forms of a model."""
    found = errors(a, b, lowered)
    parts = [f"{name} differs by at most {far:.2g} (largest value {size:.3g})" for name, (far, size) in found.items()]
    return f"on a random input, {', '.join(parts)}"


def check_equal(a: onnx.ModelProto, b: onnx.ModelProto, lowered: Lowered, options: Any) -> None:
    """SpecError unless two forms of a model give the same outputs, or if onnxruntime cannot run the second one."""
    try:
        found = errors(a, b, lowered)
    except NetcError as e:
        raise SpecError(f"--opset {options.opset}: onnxruntime cannot run the net in this opset: {e}") from e
    close = CLOSE[options.half]
    wrong = [name for name, (far, size) in found.items() if not far <= close * max(size, 1.0)]
    if wrong:
        raise SpecError(f"--opset {options.opset}: the net would compute other values of {', '.join(wrong)} in this opset.")
