"""Tables of the kernels of onnxruntime's providers, and the nodes of a model that a provider cannot run.

A table maps each op of ONNX's own domain to the opset versions and types that its kernels support. `kernels.json.gz` holds three
tables. Those of CPU and CUDA come from onnxruntime's docs/OperatorKernels.md, that of WebGPU from the kernels that the package
onnxruntime-ep-webgpu 0.4.0 registers.
"""

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import numpy as np
import onnx
from onnx import helper

from netc.graph.tensor_type import OPSET

STRING = "string"
NAMES = {"float32": "float", "float64": "double", "object": STRING}

Kernel = Sequence[Any]  # first and last version (None: no end yet), types by type variable
Kernels = Mapping[str, Sequence[Kernel]]  # by op
Typed = tuple[str, str, str]  # type variable, parameter and type of a tensor


@dataclass(frozen=True)
class KernelTable:
    """The kernels of a provider. `name` is its name in `netc check`, and `read` loads the kernels."""

    name: str
    read: Callable[[], Kernels]

    @cached_property
    def ops(self) -> Kernels:
        """The kernels by op."""
        return self.read()

    def serves(self, op: str, tensors: Sequence[Typed]) -> bool:
        """Whether a kernel supports an op on tensors of these types.

        onnxruntime leaves texts to the CPU, whatever the provider, so the kernels of the CPU decide on them. An op without a kernel that
        ONNX defines as a function becomes the ops of its body.
        """
        if self is not CPU and any(kind == STRING for _, _, kind in tensors):
            return CPU.serves(op, tensors)
        schema: Any = onnx.defs.get_schema(op, OPSET)
        since, kernels = schema.since_version, self.ops.get(op, [])
        if any(first <= since and (last is None or since <= last) and _allowed(limits, tensors) for first, last, limits in kernels):
            return True
        body = schema.function_body.node if schema.has_function and not kernels else ()
        return bool(body) and all(self.serves(node.op_type, ()) for node in body if node.op_type != "Constant")

    def lacking(self, model: onnx.ModelProto) -> list[onnx.NodeProto]:
        """The nodes of a model that no kernel supports. All nodes must be of ONNX's own domain."""
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
        types = {t.name: t.data_type for t in graph.initializer}
        types |= {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
        return [n for n in graph.node if n.op_type != "Constant" and not self.serves(n.op_type, list(_typed(n, types)))]


@cache
def _packaged() -> dict[str, Kernels]:
    """The tables that come with netc."""
    found: dict[str, Kernels] = json.loads(gzip.decompress((files("netc.runtime") / "kernels.json.gz").read_bytes()))
    return found


def _packaged_table(name: str) -> KernelTable:
    return KernelTable(name, lambda: _packaged()[name])


CPU, CUDA, WEBGPU = map(_packaged_table, ("CPU", "CUDA", "WebGPU"))


def _allowed(limits: Mapping[str, Sequence[str]], tensors: Sequence[Typed]) -> bool:
    return all(kind in limits.get(variable, limits.get(parameter, [kind])) for variable, parameter, kind in tensors)


def _typed(node: onnx.NodeProto, types: Mapping[str, int]) -> Iterator[Typed]:
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
    """A tensor's type as the tables call it."""
    return NAMES.get(kind.name, kind.name)
