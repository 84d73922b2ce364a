"""Turns the protobuf messages of a graph into `FileNode`s with unique names, each after the nodes that it reads."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from netc.errors import SpecError
from netc.onnx_import.model import Body, FileNode

ELSEWHERE = "netc/"  # the location of arrays that are kept out of the model; their number follows
SCALARS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}

Array = Callable[[], np.ndarray]


def text(value: str | bytes) -> str:
    """A text of a file. Protobuf gives bytes where they are not UTF-8."""
    return value if isinstance(value, str) else value.decode(errors="replace")


@dataclass
class _Scope:
    """The names that a graph can read: those around it, and its own."""

    names: dict[str, str]  # names in the file to unique names
    own: set[str] = field(default_factory=set)


@dataclass
class Converter:
    """Converts a graph and those inside it. `arrays` are the arrays that are kept out of the model; it adds to `constants`."""

    arrays: Mapping[int, Array]
    constants: dict[str, Array] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def main(self, graph: onnx.GraphProto) -> tuple[FileNode, ...]:
        """The nodes of a model's graph. SpecError if the names or the order of its nodes make no sense."""
        initial = {t.name for t in graph.initializer}
        return self._body(graph, {}, [text(i.name) for i in graph.input if i.name not in initial]).nodes

    def _body(self, graph: onnx.GraphProto, outer: Mapping[str, str], inputs: Iterable[str]) -> Body:
        if graph.sparse_initializer:
            raise SpecError("It has sparse tensors, which netc does not read.")
        scope = _Scope(dict(outer))
        given = tuple(self._define(i, scope) for i in inputs)
        for tensor in graph.initializer:
            self.constants[self._define(text(tensor.name), scope)] = self._array(tensor)
        nodes = [n for n in graph.node if n.op_type != "Constant" or n.domain]
        for node in graph.node:
            unique = [self._define(text(o), scope) if o else "" for o in node.output]
            if node.op_type == "Constant" and not node.domain:
                self.constants[unique[0]] = self._constant(node)
        converted = [self._node(n, scope) for n in nodes]
        outputs = tuple(scope.names.get(n, n) for n in (text(o.name) for o in graph.output))
        return Body(given, outputs, _ordered(converted))

    def _define(self, name: str, scope: _Scope) -> str:
        """Give a name that a graph defines a unique one: the name itself, unless another graph has it."""
        if name in scope.own:
            raise SpecError(f"The tensor {name!r} is computed twice.")
        unique = next(n for k in count() if (n := f"{name}_{k}" if k else name) not in self.taken)
        self.taken.add(unique)
        scope.own.add(name)
        scope.names[name] = unique
        return unique

    def _array(self, tensor: onnx.TensorProto) -> Array:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return self.arrays[int(tensor.external_data[0].value.removeprefix(ELSEWHERE))]
        return partial(numpy_helper.to_array, tensor)

    def _constant(self, node: onnx.NodeProto) -> Array:
        a = node.attribute[0] if len(node.attribute) == 1 else onnx.AttributeProto()
        if a.name == "value":
            return self._array(a.t)
        if a.name in SCALARS:
            return partial(np.asarray, helper.get_attribute_value(a), SCALARS[a.name])
        if a.name in ("value_string", "value_strings"):
            return partial(np.asarray, helper.get_attribute_value(a), object)
        raise SpecError(f"The Constant {node.output[0]!r} has no value that netc reads.")

    def _node(self, node: onnx.NodeProto, scope: _Scope) -> FileNode:
        attrs = {text(a.name): self._attribute(a, scope) for a in node.attribute}
        inputs = [scope.names.get(i, i) for i in map(text, node.input)]
        while inputs and not inputs[-1]:
            inputs.pop()
        outputs = tuple(scope.names[text(o)] if o else "" for o in node.output)
        domain = "" if node.domain == "ai.onnx" else node.domain
        return FileNode(text(node.op_type), text(domain), text(node.name), tuple(inputs), outputs, attrs)

    def _attribute(self, a: onnx.AttributeProto, scope: _Scope) -> Any:
        if a.type == a.GRAPH:
            return self._body(a.g, scope.names, [text(i.name) for i in a.g.input])
        if a.type == a.TENSOR:
            return self._array(a.t)()
        value = helper.get_attribute_value(a)
        if a.type == a.STRING:
            return value.decode(errors="replace")
        if a.type == a.STRINGS:
            return [v.decode(errors="replace") for v in value]
        return list(value) if a.type in (a.INTS, a.FLOATS) else value


def check_defined(graph: onnx.GraphProto) -> None:
    """Raise a SpecError if something in a model's graph reads a tensor that nothing computes. ONNX's converter can crash on it."""
    wrong = list(_undefined(graph, frozenset()))
    if wrong:
        raise SpecError(wrong[0] + (f" There are {len(wrong) - 1} more such places." if len(wrong) > 1 else ""))


def _undefined(graph: onnx.GraphProto, outer: frozenset[str]) -> Iterator[str]:
    tensors = [*(i.name for i in graph.input), *(t.name for t in graph.initializer), *(s.values.name for s in graph.sparse_initializer)]
    defined = outer.union(map(text, tensors), (text(o) for n in graph.node for o in n.output))
    for node in graph.node:
        label = next((text(o) for o in node.output if o), text(node.name))
        yield from (
            f"{label!r} ({text(node.op_type)}) reads {text(i)!r}, which nothing computes."
            for i in node.input
            if i and text(i) not in defined
        )
        for a in node.attribute:
            for inner in (a.g, *a.graphs) if a.type in (a.GRAPH, a.GRAPHS) else ():
                yield from _undefined(inner, defined)
    yield from (f"Nothing computes the output {text(o.name)!r}." for o in graph.output if text(o.name) not in defined)


def _ordered(nodes: list[FileNode]) -> tuple[FileNode, ...]:
    """The nodes, each after those that it reads. SpecError if they form a cycle."""
    makers = {o: n for n in nodes for o in n.outputs if o}
    before = {n: {makers[i] for i in n.reads if i in makers} for n in nodes}
    done: dict[FileNode, bool] = {}  # False: its inputs are being visited
    order: list[FileNode] = []
    stack = nodes[::-1]
    while stack:
        node = stack[-1]
        if node not in done:
            done[node] = False
            for other in before[node]:
                if done.get(other) is False:
                    raise SpecError(f"The node {other.label!r} ({other.op}) depends on its own output.")
            stack += [other for other in before[node] if other not in done]
        else:
            stack.pop()
            if not done[node]:
                done[node] = True
                order.append(node)
    return tuple(order)
