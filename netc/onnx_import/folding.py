"""Computes nodes whose inputs are all constants, one at a time, within bounds: a small file must not become a large array."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from netc.errors import ShapeError
from netc.graph.tensor_type import IR_VERSION, OPSET, infer
from netc.graph.tensor_type import Type as TensorType
from netc.onnx_import.model import FileNode, trained

RANDOM = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
# Left to onnxruntime: their work is not bounded by the sizes of their inputs and outputs.
HEAVY = {
    "AveragePool", "BatchNormalization", "Conv", "ConvInteger", "ConvTranspose", "DFT", "DeformConv", "Det", "Dropout", "Einsum", "GRU",
    "GridSample", "If", "ImageDecoder", "LSTM", "Loop", "LpPool", "MaxPool", "MaxRoiPool", "MelWeightMatrix", "NonMaxSuppression",
    "Optional", "RNN", "RegexFullMatch", "Resize", "RoiAlign", "STFT", "Scan", "SequenceMap", "StringSplit", "TfIdfVectorizer",
}  # fmt: skip
PRODUCTS = {"Gemm", "MatMul"}
# The output is no larger than the inputs, although its shape depends on their values.
SHRINK = {"NonZero", "Unique", "Compress"}
MOST_OUTPUT = 2**22  # values of one output, if the inputs are smaller
MOST_TOTAL = 2**26  # values of all outputs that are not views of large inputs
MOST_PRODUCTS = 2**26  # multiply-adds of one product


@dataclass
class Folder:
    """Computes nodes from arrays. `total` counts the values that it has made so far."""

    total: int = 0

    def fold(self, node: FileNode, arrays: Sequence[np.ndarray | None]) -> list[np.ndarray] | None:
        """The outputs of a node; None if the node must stay in the graph. ShapeError if ONNX cannot compute it."""
        if node.domain or node.op in RANDOM or node.op in HEAVY or not node.outputs or any(node.bodies) or not self._bounded(node, arrays):
            return None
        try:
            outputs = _reference(node, arrays)
        except Exception as e:  # the reference evaluator raises what NumPy raises
            raise ShapeError(f"It cannot be computed from its constants: {e}") from e
        return [trained(np.asarray(y)) for y in outputs]

    def _bounded(self, node: FileNode, arrays: Sequence[np.ndarray | None]) -> bool:
        """Whether the outputs are small enough. What is larger than the largest input counts towards the total."""
        given = max((a.size for a in arrays if a is not None), default=0)
        if node.op in SHRINK:
            return given <= MOST_OUTPUT
        made = _range(arrays) if node.op == "Range" else _size(node, arrays)
        if made is None or made > max(given, MOST_OUTPUT):
            return False
        if node.op in PRODUCTS and made * max(int(s) for a in arrays[:1] if a is not None for s in (*a.shape, 1)) > MOST_PRODUCTS:
            return False
        self.total += made if made > given else 0
        return self.total <= MOST_TOTAL


def _range(arrays: Sequence[np.ndarray | None]) -> int | None:
    start, limit, delta = (float(a.reshape(-1)[0]) if a is not None and a.size else 0.0 for a in arrays)
    return None if not delta or not np.isfinite([start, limit, delta]).all() else max(0, int(-(-(limit - start) // delta)))


def _size(node: FileNode, arrays: Sequence[np.ndarray | None]) -> int | None:
    """The number of values in all outputs; None if ONNX cannot infer it."""
    if node.op == "ConstantOfShape" and arrays[0] is not None:
        return prod(int(d) for d in arrays[0].reshape(-1))
    inputs = [None if a is None else (TensorType(a.dtype, a.shape), a) for a in arrays]
    try:
        types = infer(node.op, inputs, node.attrs, len(node.outputs))
    except (ShapeError, TypeError, ValueError, onnx.defs.SchemaError):
        return None
    return sum(prod(int(d) for d in t.shape) for t in types)


def _reference(node: FileNode, arrays: Sequence[np.ndarray | None]) -> list[Any]:
    """Run one node with ONNX's reference implementation."""
    evaluator = _evaluator()
    names = ["" if a is None else f"i{k}" for k, a in enumerate(arrays)]
    outputs = [f"o{k}" for k in range(len(node.outputs))]
    attrs: dict[str, Any] = {k: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v for k, v in node.attrs.items()}
    proto = helper.make_node(node.op, names, outputs, **attrs)
    known = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    given = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in known.items()]
    graph = helper.make_graph([proto], "fold", given, [onnx.ValueInfoProto(name=o) for o in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    result: list[Any] = evaluator(model).run(None, known)
    return result


@cache
def _evaluator() -> Any:
    from onnx.reference import ReferenceEvaluator  # half a second to import

    return ReferenceEvaluator
