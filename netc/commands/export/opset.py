"""A model in another opset of ONNX, for runtimes that lack the one that netc writes."""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

from netc.errors import SpecError
from netc.graph.tensor_type import OPSET

LOWEST = 11
METADATA = 10  # the IR version since which nodes have metadata
AXES = {"ReduceSum": 13, "Squeeze": 13, "Unsqueeze": 13} | dict.fromkeys(
    ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSumSquare"), 18
)
CHANGED = {"GroupNormalization": 21}  # the version since which an op computes something else
MOST_NAMES = 3  # layers in a message


def at_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """Return `model`, which has no functions, in another opset. SpecError that lists all ops which that opset cannot express."""
    newest = onnx.defs.onnx_opset_version()
    if not LOWEST <= opset <= newest:
        raise SpecError(f"--opset {opset}: opsets {LOWEST} to {newest} can be written; netc's own is {OPSET}.")
    if opset > OPSET:
        return onnx.version_converter.convert_version(model, opset)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    for entry in made.opset_import:
        entry.version = opset if entry.domain == "" else entry.version
    made.ir_version = min(made.ir_version, helper.find_min_ir_version_for(made.opset_import))
    _rewrite(made.graph, opset)
    if problems := dict(_problems(made.graph, opset)):
        kinds = sorted({text: [n for n, t in problems.items() if t == text] for text in problems.values()}.items())
        listed = "; ".join(f"{text} (in {_names(nodes)})" for text, nodes in kinds)
        raise SpecError(f"--opset {opset}: {listed}. Use a newer opset.")
    if made.ir_version < METADATA:
        for node in made.graph.node:
            node.ClearField("metadata_props")
    try:
        onnx.checker.check_model(made, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as e:
        raise SpecError(f"--opset {opset}: the net has no valid form in this opset: {str(e).splitlines()[0]}") from e
    return made


def _rewrite(graph: onnx.GraphProto, opset: int) -> None:
    """Write the nodes of a graph in the forms of an older opset."""
    constants = {t.name: t for t in graph.initializer}
    shapes = _shapes(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if not node.domain and opset < AXES.get(node.op_type, 0) and len(node.input) > 1:
            _axes_as_attribute(node, constants)
        if node.op_type == "Split" and opset < 13 and len(node.input) > 1:
            _as_attribute(node, "split", constants)
        if node.op_type == "Split" and opset < 18 and _splits_evenly(node, shapes.get(node.input[0], ())):
            _without(node, "num_outputs")
        if node.op_type == "Shape" and opset < 15 and node.attribute:
            nodes += _shape_part(node, graph, len(shapes.get(node.input[0], ())))
            continue
        if node.op_type == "Softmax" and opset < 13:
            nodes += _softmax(node, len(shapes[node.input[0]]) if node.input[0] in shapes else None)
            continue
        nodes.append(node)
    kept = list(nodes)
    del graph.node[:]
    graph.node.extend(kept)
    read = {name for node in graph.node for name in node.input} | {v.name for v in graph.output}
    left = [t for t in graph.initializer if t.name in read]
    if len(left) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(left)


def _shapes(graph: onnx.GraphProto) -> dict[str, tuple[int | str, ...]]:
    """The shape of each value, as far as it is known."""
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    typed = onnx.shape_inference.infer_shapes(whole).graph
    values = (*typed.input, *typed.value_info, *typed.output)
    return {v.name: tuple(d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}


def _splits_evenly(node: onnx.NodeProto, shape: tuple[int | str, ...]) -> bool:
    """Whether a Split makes parts of one size, which it did before opset 18 if it has no sizes."""
    axis = next((a.i for a in node.attribute if a.name == "axis"), 0)
    size = shape[axis] if -len(shape) <= axis < len(shape) else 0
    return len(node.input) == 1 and isinstance(size, int) and size > 0 and size % len(node.output) == 0


def _shape_part(node: onnx.NodeProto, graph: onnx.GraphProto, rank: int) -> Iterator[onnx.NodeProto]:
    """Shape of some axes before opset 15: the whole shape, and a Slice of it."""
    ends = {a.name: a.i for a in node.attribute}
    whole, names = f"{node.name}/whole", [f"{node.name}/{name}" for name in ("start", "end")]
    for name, value in zip(names, (ends.get("start", 0), ends.get("end", rank)), strict=True):
        graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), name))
    yield helper.make_node("Shape", node.input, [whole], name=node.name)
    yield helper.make_node("Slice", [whole, *names], node.output, name=f"{node.name}/Slice")


def _axes_as_attribute(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> None:
    _as_attribute(node, "axes", constants)
    _without(node, "noop_with_empty_axes")


def _without(node: onnx.NodeProto, name: str) -> None:
    """Remove an attribute."""
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)


def _as_attribute(node: onnx.NodeProto, name: str, constants: dict[str, onnx.TensorProto]) -> None:
    """Turn the second input of a node, if it is a constant, into an attribute."""
    if node.input[1] in constants:
        values = [int(v) for v in np.atleast_1d(numpy_helper.to_array(constants[node.input[1]]))]
        node.attribute.append(helper.make_attribute(name, values))
        del node.input[1:]


def _softmax(node: onnx.NodeProto, rank: int | None) -> Iterator[onnx.NodeProto]:
    """Softmax along one axis before opset 13, where it normalizes all axes from `axis` on together: the axis is moved to the end."""
    axis = next((a.i for a in node.attribute if a.name == "axis"), -1)
    if rank is None:
        raise SpecError(f"Layer {node.name!r}: Softmax before opset 13 needs a known number of axes.")
    axis %= rank
    last = rank - 1
    if axis == last:
        yield helper.make_node("Softmax", node.input, node.output, name=node.name, axis=last)
        return
    perm = [last if k == axis else axis if k == last else k for k in range(rank)]
    moved, done = f"{node.name}/moved", f"{node.name}/done"
    yield helper.make_node("Transpose", [node.input[0]], [moved], name=f"{node.name}/Transpose", perm=perm)
    yield helper.make_node("Softmax", [moved], [done], name=node.name, axis=last)
    yield helper.make_node("Transpose", [done], list(node.output), name=f"{node.name}/Transpose.2", perm=perm)


def _problems(graph: onnx.GraphProto, opset: int) -> Iterator[tuple[str, str]]:
    """(layer, what the opset lacks) of each node that it cannot express."""
    for node in graph.node:
        for attribute in node.attribute:
            yield from _problems(attribute.g, opset)
        if node.domain:
            continue
        label = node.name.rpartition("/")[0] or node.name
        schema = _schema(node.op_type, opset)
        if schema is None or CHANGED.get(node.op_type, 0) > opset:
            since = CHANGED.get(node.op_type) or _first(node.op_type)
            yield label, f"{node.op_type} exists since opset {since}"
        elif len(node.input) > schema.max_input:
            yield label, f"{node.op_type} has no input {len(node.input)}"
        elif extra := [a.name for a in node.attribute if a.name not in schema.attributes]:
            yield label, f"{node.op_type} has no attribute {', '.join(extra)}"


def _schema(op: str, opset: int) -> "onnx.defs.OpSchema | None":
    try:
        return onnx.defs.get_schema(op, opset, "")
    except onnx.defs.SchemaError:
        return None


def _first(op: str) -> int:
    """The first opset with an op."""
    return min(s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.name == op and not s.domain)


def _names(layers: list[str]) -> str:
    more = f" and {len(layers) - MOST_NAMES} more" if len(layers) > MOST_NAMES else ""
    return ", ".join(layers[:MOST_NAMES]) + more
