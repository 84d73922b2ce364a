"""Checks of nodes before they run: ops that netc knows, and the attributes and inputs that ONNX defines for them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx

from netc.errors import SpecError
from netc.graph.tensor_type import OPSET
from netc.onnx_import.folding import RANDOM
from netc.onnx_import.model import Body, FileNode, OnnxFile, every

FLOAT, OTHER_FLOATS = onnx.TensorProto.FLOAT, (onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16)
TYPES: dict[str, type | tuple[type, ...]] = {
    "FLOAT": (float, int), "FLOATS": list, "GRAPH": Body, "INT": int, "INTS": list, "STRING": str, "STRINGS": list, "TENSOR": np.ndarray,
}  # fmt: skip
# Sums of integers, sequences and texts: nothing in them has a gradient. No graph of netc has random ops.
REFUSED = {
    "ConcatFromSequence", "ConvInteger", "DynamicQuantizeLinear", "ImageDecoder", "MatMulInteger", "Optional", "OptionalGetElement",
    "OptionalHasElement", "QLinearConv", "QLinearMatMul", "RegexFullMatch", "SequenceAt", "SequenceConstruct", "SequenceEmpty",
    "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence", "StringConcat", "StringNormalizer",
    "StringSplit", "TfIdfVectorizer",
}  # fmt: skip


def check_ops(file: OnnxFile, nodes: Iterable[FileNode]) -> None:
    """Raise a SpecError that lists every op that netc does not know, with the number of its nodes and the first of them."""
    unknown: dict[str, list[FileNode]] = {}
    for node in nodes:
        for n in [node] if node.op == "If" else every((node,)):
            if n.domain or n.op in REFUSED | RANDOM or not onnx.defs.has(n.op, OPSET, ""):
                unknown.setdefault(n.called, []).append(n)
    if unknown:
        raise SpecError(*(_unknown(file, called, found) for called, found in unknown.items()))


def _unknown(file: OnnxFile, called: str, nodes: list[FileNode]) -> str:
    count = f"{len(nodes)} nodes" if len(nodes) > 1 else "1 node"
    first = "first" if len(nodes) > 1 else "it is"
    reason = "which is of another domain than ONNX's own" if nodes[0].domain else "which netc cannot train"
    return f"{file.path.name} uses the op {called}, {reason} ({count}, {first} {nodes[0].label!r})."


def checked_attributes(node: FileNode) -> dict[str, Any]:
    """The attributes of a node that ONNX defines, floats of every width as float32. SpecError if one is missing or of another type."""
    schema: Any = onnx.defs.get_schema(node.op, OPSET, "")
    attrs = {k: v for k, v in node.attrs.items() if k in schema.attributes}
    missing = [k for k, a in schema.attributes.items() if a.required and k not in attrs]
    if missing:
        raise SpecError(f"The attribute `{missing[0]}` is missing.")
    for k, v in attrs.items():
        wanted = TYPES.get(str(schema.attributes[k].type).split(".")[-1])
        if wanted is not None and not isinstance(v, wanted):
            raise SpecError(f"The attribute `{k}` is of another type than ONNX defines.")
    if not schema.min_input <= len(node.inputs) <= schema.max_input:
        raise SpecError(f"It has {len(node.inputs)} inputs. Expected {schema.min_input} to {schema.max_input}.")
    return {k: FLOAT if k in ("to", "dtype") and v in OTHER_FLOATS else v for k, v in attrs.items()}
