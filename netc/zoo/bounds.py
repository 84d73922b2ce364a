"""Estimate the size of a model before it runs: nodes after function expansion, loop steps, tensor sizes.

`limited` guards against sizes that are known only at run time.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite, prod
from typing import Any

import onnx
from onnx import numpy_helper

MOST_NODES = 1_000_000  # after functions are expanded
MOST_STEPS = 1 << 31  # nodes that run; loops of constant length count once per step
MOST_VALUES = 1 << 31  # per tensor
SMALL = 64  # values; a larger constant cannot be a shape or a count
SHAPED = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1, "Reshape": 1, "Resize": 3, "RandomNormal": None, "RandomUniform": None}

Key = tuple[str, str, str]
Constants = Mapping[str, list[Any]]


def excesses(model: onnx.ModelProto) -> list[str]:
    """List the limits that a model exceeds, as messages. [] if there are none."""
    functions = {(f.domain, f.name, f.overload): f for f in model.functions}
    nodes = _totals(functions, loops=False)
    steps = _totals(functions, loops=True)
    if nodes is None or steps is None:
        return ["has a function that calls itself"]
    problems = []
    constants = _constants(model.graph)
    if (count := _count(model.graph.node, nodes, constants, loops=False)) > MOST_NODES:
        problems.append(f"has {_number(count)} nodes after its functions are expanded; the limit is {MOST_NODES:,}")
    elif (count := _count(model.graph.node, steps, constants, loops=True)) > MOST_STEPS:
        problems.append(f"has loops of {_number(count)} steps; the limit is {MOST_STEPS:,}")
    for nodes_in in (model.graph.node, *(f.node for f in model.functions)):
        problems += _large_nodes(nodes_in, constants)
    return problems + _large_ports(model.graph)


def _totals(functions: Mapping[Key, onnx.FunctionProto], loops: bool) -> dict[Key, int] | None:
    """The number of nodes of each function after expansion, called functions first. None if a function calls itself."""
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
    """Count nodes, including functions and subgraphs. With `loops`, the body of a loop counts once per step."""
    nodes = list(nodes)
    known = {**constants, **_node_constants(nodes)}
    total = 0
    for node in nodes:
        inner = sum(_count(g.node, totals, {**known, **_constants(g)}, loops) for g in _subgraphs(node))
        turns = _turns(node, known) if loops else 1
        total += turns * max(1, inner) + totals.get(_key(node), 0)
    return total


def _turns(node: onnx.NodeProto, constants: Constants) -> int:
    """The number of steps of a loop; 1 if it is known only at run time."""
    if node.op_type != "Loop" or not node.input or not constants.get(node.input[0]):
        return 1
    return max(1, int(constants[node.input[0]][0]))


def _large_nodes(nodes: Iterable[onnx.NodeProto], constants: Constants) -> list[str]:
    nodes = list(nodes)
    known = {**constants, **_node_constants(nodes)}
    problems = []
    for node in nodes:
        size = _size(node, known)
        if size > MOST_VALUES:
            problems.append(f"has a {node.op_type} of {_number(size)} values; the limit is {MOST_VALUES:,}")
        for graph in _subgraphs(node):
            problems += _large_nodes(graph.node, {**known, **_constants(graph)})
    return problems


def _size(node: onnx.NodeProto, constants: Constants) -> int:
    """The output size of a node with a constant shape, in values; 0 if it is known only at run time."""
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
    problems = []
    for port in (*graph.input, *graph.output, *graph.value_info):
        size = prod(max(1, d.dim_value) for d in port.type.tensor_type.shape.dim)
        if size > MOST_VALUES:
            problems.append(f"has a tensor {port.name[:60]!r} of {_number(size)} values; the limit is {MOST_VALUES:,}")
    return problems


def _constants(graph: onnx.GraphProto) -> dict[str, list[Any]]:
    """The small initializers of a graph by name."""
    return {t.name: values for t in graph.initializer if (values := _values(t)) is not None}


def _node_constants(nodes: Iterable[onnx.NodeProto]) -> dict[str, list[Any]]:
    """The values of small Constant nodes by name."""
    constants: dict[str, list[Any]] = {}
    for node in nodes:
        for attribute in node.attribute if node.op_type == "Constant" and node.output else ():
            values = _values(attribute.t) if attribute.name == "value" else list(attribute.ints) or [attribute.i]
            if values is not None:
                constants[node.output[0]] = values
    return constants


def _values(tensor: onnx.TensorProto) -> list[Any] | None:
    """The values of a small tensor that is stored in the model; None for any other."""
    numbers = (onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
    if prod(tensor.dims) > SMALL or tensor.data_type not in numbers or tensor.external_data:
        return None
    try:
        return [x for x in numpy_helper.to_array(tensor).reshape(-1).tolist() if isfinite(x)]
    except (ValueError, TypeError):  # the data does not match the shape; onnxruntime reports it
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
