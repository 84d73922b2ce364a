"""Which ops each of onnxruntime's providers can run: a table of its kernels, and the nodes of a model that it lacks.

`kernels.json.gz` holds, by provider and op of ONNX's own domain, the versions that a kernel serves and the types of its
type variables. CPU and CUDA are those of onnxruntime's docs/OperatorKernels.md, WebGPU those that the package onnxruntime-ep-webgpu
0.4.0 registers.
"""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import onnx
from onnx import helper

from netc.graph.tensor_type import OPSET

PROVIDERS = ("CPU", "CUDA", "WebGPU")
NAMES = {"float32": "float", "float64": "double"}

Kernel = tuple[int, int | None, dict[str, list[str]]]  # first and last version (None: no end yet), types by variable


@cache
def kernels(provider: str) -> dict[str, list[Kernel]]:
    """The kernels of a provider by op."""
    found: dict[str, list[Kernel]] = json.loads(gzip.decompress((files("netc.runtime") / "kernels.json.gz").read_bytes()))[provider]
    return found


def lacking(model: onnx.ModelProto, provider: str) -> list[onnx.NodeProto]:
    """The nodes of a model, all of ONNX's own domain, that no kernel of the provider serves."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {t.name: t.data_type for t in graph.initializer}
    types |= {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
    return [n for n in graph.node if n.op_type != "Constant" and not served(n.op_type, list(_typed(n, types)), provider)]


def served(op: str, used: list[tuple[str, str, str]], provider: str) -> bool:
    """Whether a provider has a kernel for an op. `used` are (type variable, parameter, type) of its tensors."""
    since = onnx.defs.get_schema(op, OPSET).since_version
    return any(
        first <= since and (last is None or since <= last) and _allowed(limits, used)
        for first, last, limits in kernels(provider).get(op, [])
    )


def _allowed(limits: dict[str, list[str]], used: list[tuple[str, str, str]]) -> bool:
    return all(kind in limits.get(variable, limits.get(parameter, [kind])) for variable, parameter, kind in used)


def _typed(node: onnx.NodeProto, types: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    """(type variable, parameter, type) of each tensor of a node."""
    for names, formal in zip((node.input, node.output), parameters(node.op_type), strict=True):
        for k, name in enumerate(names):
            if name:
                yield (*formal[min(k, len(formal) - 1)], type_name(helper.tensor_dtype_to_np_dtype(types[name])))


@cache
def parameters(op: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(type variable, parameter) of an op's inputs, and of its outputs."""
    schema: Any = onnx.defs.get_schema(op, OPSET)
    inputs, outputs = ([(p.type_str, p.name) for p in formal] for formal in (schema.inputs, schema.outputs))
    return inputs, outputs


@cache
def type_name(kind: np.dtype[Any]) -> str:
    """A tensor's type as the table of kernels calls it."""
    return NAMES.get(kind.name, kind.name)
