"""A graph with calls of Python in it as a chain of models: each runs as far as it can, then the calls that it feeds are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from netc.emit import NEXT, emit, input_name
from netc.ir import HOST, Graph, Node, Value, leaf, rebuild
from netc.session import Session

PASSED = "passed/"  # a value that a later part, or a call, reads


@dataclass(frozen=True)
class Call:
    """A call of Python: from the arrays named `inputs` those named `outputs`."""

    layer: str
    function: Callable[..., tuple[np.ndarray, ...]]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A graph, and the calls that are made after it."""

    graph: Graph
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Split:
    """A graph in parts. `outputs` says which array each of its outputs is, `constants` are arrays that are there from the start."""

    parts: tuple[Part, ...]
    outputs: Mapping[str, str]
    constants: Mapping[str, np.ndarray]


def calls(graph: Graph) -> list[Node]:
    """The calls of Python in a graph."""
    return [n for n in graph.nodes if n.domain == HOST]


def split(graph: Graph) -> Split:
    """The parts of a graph. A node belongs to the first part that has all that it reads."""
    ready: dict[Node, int] = {}  # the part from which on a node's outputs are there
    for node in graph.nodes:
        ready[node] = max((ready[v.node] for v in node.operands), default=0) + (node.domain == HOST)
    ends = {**graph.outputs, **{NEXT + s.node.attrs["name"]: v for s, v in graph.updates.items()}}
    names = {v: f"{PASSED}{i}" for i, v in enumerate(v for n in ready for v in n.outputs)}
    names |= {n.outputs[0]: input_name(n.outputs[0]) for n in ready if n.key in (("netc", "Input"), ("netc", "State"))}
    parts = [_part(k, graph.name, ready, ends, names) for k in range(max(ready.values(), default=0) + 1)]
    constants = {names[n.outputs[0]]: n.attrs["value"] for n in ready if n.key == ("netc", "Constant")}
    return Split(tuple(parts), {name: names[v] for name, v in ends.items()}, constants)


def models(graph: Graph, provider: str = "cpu", metadata: Mapping[str, Any] | None = None) -> list[onnx.ModelProto]:
    """The models of the parts."""
    return [emit(part.graph, provider, metadata=metadata) for part in split(graph).parts]


class Chain:
    """What a Session is for a graph without calls."""

    def __init__(self, graph: Graph, provider: str = "cpu", threads: int = 1, kernels: Path | None = None):
        self._split, self.provider = split(graph), provider
        self._sessions = [_session(part.graph, provider, threads, kernels) for part in self._split.parts]
        self.inputs = {input_name(n.outputs[0]): n for n in graph.nodes if n.key in (("netc", "Input"), ("netc", "State"))}
        self.outputs = list(self._split.outputs)

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every output by name."""
        there = {**self._split.constants, **feeds}
        for session, part in zip(self._sessions, self._split.parts, strict=True):
            if session is not None:
                there |= session.run({name: there[name] for name in session.inputs})
            for call in part.calls:
                there |= zip(call.outputs, call.function(*(there[n] for n in call.inputs)), strict=True)
        return {name: there[given] for name, given in self._split.outputs.items()}


def open_graph(graph: Graph, provider: str = "cpu", threads: int = 1, kernels: Path | None = None) -> Session | Chain:
    """What runs a graph."""
    if calls(graph):
        return Chain(graph, provider, threads, kernels)
    return Session(emit(graph, provider), provider, threads, kernels=kernels)


def _session(graph: Graph, provider: str, threads: int, kernels: Path | None) -> Session | None:
    """The session of a part; None where there is nothing to compute."""
    return Session(emit(graph, provider), provider, threads, kernels=kernels) if graph.outputs else None


def _part(number: int, name: str, ready: Mapping[Node, int], ends: Mapping[str, Value], names: Mapping[Value, str]) -> Part:
    """Part `number`: the nodes that are ready then, and the calls whose outputs are there in the next."""
    made = [n for n, k in ready.items() if k == number and (n.domain not in (HOST, "netc") or n.op == "Stop")]
    called = [n for n, k in ready.items() if k == number + 1 and n.domain == HOST]
    new: dict[Value, Value] = {}

    def read(value: Value) -> Value:
        if value in new or value.node.key in (("netc", "Input"), ("netc", "State"), ("netc", "Constant")):
            return new.get(value, value)
        new[value] = leaf("Input", value.dtype, value.shape, name=names[value])
        return new[value]

    for node in made:
        new |= zip(node.outputs, rebuild(node, tuple(None if v is None else read(v) for v in node.inputs)).outputs, strict=True)
    later = {v for n, k in ready.items() if k > number for v in n.operands} | set(ends.values())
    outputs = {names[v]: new[v] for n in made for v in n.outputs if v in later}
    graph = Graph(f"{name}/{number}", outputs)
    return Part(graph, tuple(_call(n, names) for n in called))


def _call(node: Node, names: Mapping[Value, str]) -> Call:
    return Call(node.origin.layer, node.attrs["call"], tuple(names[v] for v in node.operands), tuple(names[v] for v in node.outputs))
