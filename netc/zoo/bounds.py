"""How much a model asks for, found before it runs: nodes once functions are expanded, steps of loops, sizes of tensors.

Sizes that only a run knows are the business of `limited`.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite, prod
from typing import Any

import onnx
from onnx import numpy_helper

MOST_NODES = 1_000_000  # once every call of a function is the function's nodes
MOST_STEPS = 1 << 31  # nodes that a run visits, loops of a stated length counted as often as they turn
MOST_VALUES = 1 << 31  # in one tensor
SMALL = 64  # values of a constant that can be a shape or a count
SHAPED = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Reshape": 1, "Resize": 3, "RandomNormal": None, "RandomUniform": None}

Key = tuple[str, str, str]
Constants = Mapping[str, list[Any]]


def excesses(model: onnx.ModelProto) -> list[str]:
    """What is more than any model of use needs, in sentences; empty if nothing is."""
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    nodes = _totals(functions, loops=False)
    steps = _totals(functions, loops=True)
    if nodes is None or steps is None:
        return ["has a function that calls itself"]
    found = []
    constants = _constants(model.graph)
    if (count := _count(model.graph.node, nodes, constants, loops=False)) > MOST_NODES:
        found.append(f"has {_number(count)} nodes once its functions are expanded; at most {MOST_NODES:,} may be")
    elif (count := _count(model.graph.node, steps, constants, loops=True)) > MOST_STEPS:
        found.append(f"states loops of {_number(count)} steps; at most {MOST_STEPS:,} may be")
    for nodes_in in (model.graph.node, *(f.node for f in model.functions)):
        found += _large_nodes(nodes_in, constants)
    return found + _large_ports(model.graph)


def _totals(functions: Mapping[Key, onnx.FunctionProto], loops: bool) -> dict[Key, int] | None:
    """The nodes that each function comes to, those it calls first; None if one calls itself."""
    calls = {key: {_key(n) for n in _all_nodes(f.node)} & functions.keys() for key, f in functions.items()}
    callers: dict[Key, list[Key]] = {}
    for key, called in calls.items():
        for other in called:
            callers.setdefault(other, []).append(key)
    totals: dict[Key, int] = {}
    waiting = {key: len(called) for key, called in calls.items()}
    ready = [key for key, count in waiting.items() if not count]
    while ready:
        key = ready.pop()
        totals[key] = _count(functions[key].node, totals, {}, loops)
        for caller in callers.get(key, ()):
            waiting[caller] -= 1
            if not waiting[caller]:
                ready.append(caller)
    return totals if len(totals) == len(functions) else None


def _count(nodes: Iterable[onnx.NodeProto], totals: Mapping[Key, int], constants: Constants, loops: bool) -> int:
    """The nodes, with what functions and subgraphs come to; with `loops` as often as they turn."""
    nodes = list(nodes)
    known = {**constants, **_node_constants(nodes)}
    total = 0
    for node in nodes:
        inner = sum(_count(g.node, totals, {**known, **_constants(g)}, loops) for g in _subgraphs(node))
        turns = _turns(node, known) if loops else 1
        total += turns * max(1, inner) + totals.get(_key(node), 0)
    return total


def _turns(node: onnx.NodeProto, constants: Constants) -> int:
    """How often a loop of a stated length turns; 1 where a run decides."""
    if node.op_type != "Loop" or not node.input or not constants.get(node.input[0]):
        return 1
    return max(1, int(constants[node.input[0]][0]))


def _large_nodes(nodes: Iterable[onnx.NodeProto], constants: Constants) -> list[str]:
    nodes = list(nodes)
    known = {**constants, **_node_constants(nodes)}
    found = []
    for node in nodes:
        size = _size(node, known)
        if size > MOST_VALUES:
            found.append(f"has a {node.op_type} of {_number(size)} values; at most {MOST_VALUES:,} may be")
        for graph in _subgraphs(node):
            found += _large_nodes(graph.node, {**known, **_constants(graph)})
    return found


def _size(node: onnx.NodeProto, constants: Constants) -> int:
    """The values that a node makes by a shape that the model states; 0 where a run decides."""
    if node.op_type == "Range":
        ends = [constants.get(name) for name in node.input]
        if len(ends) != 3 or not all(ends):
            return 0
        start, limit, step = (float(end[0]) for end in ends if end)
        return int(abs((limit - start) / step)) if step and abs(limit - start) < float("inf") else MOST_VALUES + 1
    if node.op_type not in SHAPED:
        return 0
    at = SHAPED[node.op_type]
    stated = [list(a.ints) for a in node.attribute if a.name == "shape"] if at is None else []
    if at is not None and at < len(node.input):
        stated = [constants.get(node.input[at]) or []]
    return prod(max(1, abs(int(n))) for shape in stated for n in shape)


def _large_ports(graph: onnx.GraphProto) -> list[str]:
    found = []
    for port in (*graph.input, *graph.output, *graph.value_info):
        size = prod(max(1, d.dim_value) for d in port.type.tensor_type.shape.dim)
        if size > MOST_VALUES:
            found.append(f"has a tensor {port.name[:60]!r} of {_number(size)} values; at most {MOST_VALUES:,} may be")
    return found


def _constants(graph: onnx.GraphProto) -> dict[str, list[Any]]:
    """Small initializers of a graph by name."""
    return {t.name: values for t in graph.initializer if (values := _values(t)) is not None}


def _node_constants(nodes: Iterable[onnx.NodeProto]) -> dict[str, list[Any]]:
    """Small constants that nodes hold, by name."""
    found: dict[str, list[Any]] = {}
    for node in nodes:
        for attribute in node.attribute if node.op_type == "Constant" and node.output else ():
            values = _values(attribute.t) if attribute.name == "value" else list(attribute.ints) or [attribute.i]
            if values is not None:
                found[node.output[0]] = values
    return found


def _values(tensor: onnx.TensorProto) -> list[Any] | None:
    """The numbers of a small tensor that lies in the model."""
    numbers = (onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    if prod(tensor.dims) > SMALL or tensor.data_type not in numbers or tensor.external_data:
        return None
    try:
        return [x for x in numpy_helper.to_array(tensor).reshape(-1).tolist() if isfinite(x)]
    except (ValueError, TypeError):  # its bytes are not of its shape; onnxruntime says so
        return None


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for graph in _subgraphs(node):
            yield from _all_nodes(graph.node)


def _key(node: onnx.NodeProto) -> Key:
    return node.domain, node.op_type, node.overload


def _number(count: int) -> str:
    return f"{count:,}" if count < 10**15 else f"10^{len(str(count)) - 1}" if count < 10**4000 else "more than 10^4000"
