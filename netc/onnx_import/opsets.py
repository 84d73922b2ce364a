"""Brings a model to opset 21, which netc's graphs use.

Older models are converted by ONNX's version converter. In newer ones, ops that opset 21 lacks are replaced by the function bodies that ONNX
defines for them. Nodes of other domains keep their places.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import onnx
from onnx import helper, inliner, shape_inference, version_converter

from netc.errors import SpecError
from netc.graph.tensor_type import IR_VERSION, OPSET
from netc.onnx_import.names import text

OWN = ("", "ai.onnx")
OLDEST = 7
MOST_NODES = 100_000  # after local functions are inlined
MOST_ROUNDS = 8  # function bodies may use newer ops again


def opset_of(model: onnx.ModelProto) -> int:
    """The opset of the model's own ops."""
    return next((o.version for o in model.opset_import if o.domain in OWN), OPSET)


def at_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model at opset 21, without local functions. SpecError if that is impossible."""
    version, newest = opset_of(model), onnx.defs.onnx_opset_version()
    if not OLDEST <= version <= newest:
        raise SpecError(f"The file uses opset {version}. Expected one from {OLDEST} to {newest}.")
    if model.functions:
        _check_expansion(model)
        model = inliner.inline_local_functions(model)
    model.ir_version = max(model.ir_version, IR_VERSION)
    if version == OPSET:
        return model
    foreign = _taken_out(model, version)
    model = _lowered(model, version) if version > OPSET else _raised(model)
    return _put_back(model, foreign)


def each(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the graphs inside them."""
    for node in graph.node:
        yield node
        for a in node.attribute:
            for inner in (a.g, *a.graphs) if a.type in (a.GRAPH, a.GRAPHS) else ():
                yield from each(inner)


def _raised(model: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as e:  # the converter raises RuntimeError, ConvertError and others
        reason = str(e).strip().splitlines()[-1] if str(e).strip() else type(e).__name__
        raise SpecError(f"ONNX's version converter cannot bring the file from opset {opset_of(model)} to {OPSET}: {reason}") from e


def _lowered(model: onnx.ModelProto, version: int) -> onnx.ModelProto:
    """Replace the ops that opset 21 lacks by ONNX's function bodies."""
    for _ in range(MOST_ROUNDS):
        used = {n.op_type for n in each(model.graph) if n.domain in OWN and not _has(n.op_type, OPSET)}
        new = sorted(name for name in used if _is_function(name, version))
        if not new:
            break
        model = _inlined(model, new)
    unknown = Counter(_unknown(n) for n in each(model.graph) if n.domain in OWN)
    del unknown[""]
    if unknown:
        nodes = {what: f"{count} nodes" if count > 1 else "1 node" for what, count in unknown.items()}
        raise SpecError(*(f"{what}, which opset {OPSET} lacks ({count})." for what, count in nodes.items()))
    for imported in model.opset_import:
        if imported.domain in OWN:
            imported.version = OPSET
    return model


def _inlined(model: onnx.ModelProto, ops: list[str]) -> onnx.ModelProto:
    """Replace ops by their bodies, some of which depend on the types of the inputs. SpecError if ONNX does not know these."""
    try:
        model = shape_inference.infer_shapes(model)
        described = {v.name for v in model.graph.value_info}
        for t in model.graph.initializer:
            if t.name not in described:
                model.graph.value_info.append(helper.make_tensor_value_info(t.name, t.data_type, t.dims))
        # Without it, the inliner fails for an omitted input between others.
        model.graph.value_info.append(helper.make_tensor_value_info("", onnx.TensorProto.FLOAT, None))
        return inliner.inline_selected_functions(model, [("", name) for name in ops], exclude=False, inline_schema_functions=True)
    except Exception as e:  # it raises RuntimeError, InferenceError and others
        raise SpecError(f"ONNX cannot replace {', '.join(ops)} by ops of opset {OPSET}: {str(e).strip().splitlines()[-1]}") from e


def _unknown(node: onnx.NodeProto) -> str:
    """What a node has that opset 21 lacks; "" if there is nothing. An op without any definition is reported with the others later."""
    if not _has(node.op_type, OPSET):
        return f"The file uses the op {node.op_type}" if _has(node.op_type, onnx.defs.onnx_opset_version()) else ""
    known = onnx.defs.get_schema(node.op_type, OPSET).attributes
    newest = onnx.defs.get_schema(node.op_type, onnx.defs.onnx_opset_version()).attributes
    for a in node.attribute:
        if a.name not in known and a.name in newest and not _is_default(a, newest[a.name].default_value):
            return f"The file uses `{a.name}` of the op {node.op_type}"
    return ""


def _is_default(given: onnx.AttributeProto, default: onnx.AttributeProto) -> bool:
    return default.type == given.type and helper.get_attribute_value(given) == helper.get_attribute_value(default)


def _has(op: str | bytes, version: int) -> bool:
    return bool(onnx.defs.has(text(op), version, ""))


def _is_function(op: str, version: int) -> bool:
    if not _has(op, version):
        return False
    schema: Any = onnx.defs.get_schema(op, version, "")
    return bool(schema.has_function or schema.has_context_dependent_function)


def _taken_out(model: onnx.ModelProto, version: int) -> list[onnx.NodeProto]:
    """Remove the nodes that ONNX does not know, which the converter refuses. Their outputs become inputs of the graph, for its checks."""

    def is_known(node: onnx.NodeProto) -> bool:
        return node.domain in OWN and _has(node.op_type, version)

    foreign = [n for n in model.graph.node if not is_known(n)]
    if foreign:
        kept = [n for n in model.graph.node if is_known(n)]
        del model.graph.node[:]
        model.graph.node.extend(kept)
        model.graph.input.extend(onnx.ValueInfoProto(name=o) for n in foreign for o in n.output if o)
    return foreign


def _put_back(model: onnx.ModelProto, foreign: list[onnx.NodeProto]) -> onnx.ModelProto:
    """Add the nodes that were removed."""
    made = {o for n in foreign for o in n.output}
    inputs = [i for i in model.graph.input if i.name not in made]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.node.extend(foreign)
    return model


def _check_expansion(model: onnx.ModelProto) -> None:
    """Raise a SpecError if local functions call themselves, or if inlining them makes too many nodes."""
    functions = {(f.domain, f.name): f for f in model.functions}
    counts: dict[tuple[str, str], int] = {}
    open_: set[tuple[str, str]] = set()

    def size(node: onnx.NodeProto) -> int:
        key = (node.domain, node.op_type)
        if key not in functions:
            return 1
        if key in open_:
            raise SpecError(f"The local function {node.op_type!r} of the file calls itself.")
        if key not in counts:
            open_.add(key)
            counts[key] = min(sum(map(size, functions[key].node)), MOST_NODES + 1)
            open_.discard(key)
        return counts[key]

    if sum(map(size, each(model.graph))) > MOST_NODES:
        raise SpecError(f"The file has more than {MOST_NODES:,} nodes once its local functions are inlined.")
