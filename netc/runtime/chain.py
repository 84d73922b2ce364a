"""Graphs that call Python, as chains of models.

Each model runs as far as possible. Then the calls for which it computes inputs are made.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.graph.contract import NEXT
from netc.graph.emit import emit, input_name
from netc.graph.ir import HOST, Graph, Node, Value, leaf, rebuild
from netc.graph.origin import Origin
from netc.runtime.backend import Backend
from netc.runtime.backends import PORTABLE
from netc.runtime.session import Session

PASSED = "passed/"  # a value that a later part or a call reads
LEAVES = ("netc", "Input"), ("netc", "State")
CONSTANT = ("netc", "Constant")


@dataclass(frozen=True)
class Call:
    """A Python call that computes the arrays `outputs` from the arrays `inputs`. `facts` describe the function."""

    origin: Origin
    function: Callable[..., tuple[np.ndarray, ...]]
    facts: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """A graph, and the calls that follow it."""

    graph: Graph
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Split:
    """A graph in parts. `outputs` maps each of its outputs to an array name."""

    parts: tuple[Part, ...]
    outputs: Mapping[str, str]


def calls(graph: Graph) -> list[Node]:
    """The Python calls in a graph."""
    return [n for n in graph.nodes if n.domain == HOST]


def split(graph: Graph) -> Split:
    """Split a graph into parts. A node belongs to the first part in which all its inputs are available."""
    ready: dict[Node, int] = {}  # the first part in which a node's outputs are available
    for node in graph.nodes:
        ready[node] = max((ready[v.node] for v in node.operands), default=0) + (node.domain == HOST)
    ends = {**graph.outputs, **{NEXT(s.node.name): v for s, v in graph.updates.items()}}
    names = {v: f"{PASSED}{i}" for i, v in enumerate(v for n in ready for v in n.outputs)}
    names |= {n.outputs[0]: input_name(n.outputs[0]) for n in ready if n.key in LEAVES}
    parts = [_part(k, graph.name, ready, ends, names) for k in range(max(ready.values(), default=0) + 1)]
    return Split(tuple(parts), {name: names[v] for name, v in ends.items()})


class Chain:
    """Run a graph that contains Python calls, with the interface of a Session.

    `spent` is the seconds in calls, by layer and part of the step.
    """

    def __init__(
        self, graph: Graph, backend: Backend = PORTABLE, threads: int = 1, profile: str | None = None, functions: bool = True
    ):  # fmt: skip
        def session(number: int, part: Graph) -> Session | None:
            """The session of a part; None if the part computes nothing."""
            own = profile and f"{profile}{number}"
            return _session(part, backend, threads, own, functions) if part.outputs else None

        self._split = split(graph)
        self._sessions = [session(k, part.graph) for k, part in enumerate(self._split.parts)]
        self.inputs = {input_name(n.outputs[0]): n for n in graph.nodes if n.key in LEAVES}
        self.outputs = list(self._split.outputs)
        self.spent: dict[tuple[str, str], float] = {}

    def run(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run once. Returns every output by name."""
        there = dict(feeds)
        for session, part in zip(self._sessions, self._split.parts, strict=True):
            if session is not None:
                there |= session.run({name: there[name] for name in session.inputs})
            for call in part.calls:
                begin = time.perf_counter()
                there |= zip(call.outputs, call.function(*(there[n] for n in call.inputs)), strict=True)
                place = call.origin.layer, call.origin.part
                self.spent[place] = self.spent.get(place, 0.0) + time.perf_counter() - begin
        return {name: there[given] for name, given in self._split.outputs.items()}

    def end_profiles(self) -> list[str]:
        """Stop profiling. Returns the paths of the profiles."""
        return [path for session in self._sessions if session is not None for path in session.end_profiles()]


def open_graph(
    graph: Graph, backend: Backend = PORTABLE, threads: int = 1, profile: str | None = None, functions: bool = True
) -> Session | Chain:
    """A session for a graph, or a chain if it calls Python. `functions` as in `emit`, `profile` as in Session."""
    if calls(graph):
        return Chain(graph, backend, threads, profile, functions)
    return _session(graph, backend, threads, profile, functions)


def _session(graph: Graph, backend: Backend, threads: int, profile: str | None, functions: bool) -> Session:
    return Session(emit(graph, backend.bodies, functions, kernels=backend.native_ops), backend, threads, profile)


def files(kind: str, graph: Graph, bodies: str, metadata: Mapping[str, Any], functions: bool = True) -> dict[str, bytes]:
    """The model of a graph, as the file `<kind>.onnx`. With Python calls: `<kind>.1.onnx`, `<kind>.2.onnx`, ... and `<kind>.json`.

    The JSON file holds the metadata and two entries. `steps` lists in order each model, and each call with its function and arrays. A
    call takes bottoms and learned blobs; backward also takes tops and their diffs. It returns tops, or diffs of bottoms and blobs.
    `outputs` maps each output of the graph to its array.
    """
    if not calls(graph):
        return {f"{kind}.onnx": emit(graph, bodies, functions, metadata).SerializeToString(deterministic=True)}
    found: dict[str, bytes] = {}
    steps: list[dict[str, Any]] = []
    whole = split(graph)
    for part in whole.parts:
        if part.graph.outputs:
            name = f"{kind}.{len(found) + 1}.onnx"
            said = {**metadata, "part": len(found) + 1}
            found[name] = emit(part.graph, bodies, functions, said).SerializeToString(deterministic=True)
            steps.append({"model": name})
        for call in part.calls:
            steps.append({"layer": call.origin.layer, **call.facts, "inputs": call.inputs, "outputs": call.outputs})
    text = json.dumps({**metadata, "steps": steps, "outputs": whole.outputs}, indent=1, sort_keys=True)
    return found | {f"{kind}.json": f"{text}\n".encode()}


def _part(number: int, name: str, ready: Mapping[Node, int], ends: Mapping[str, Value], names: Mapping[Value, str]) -> Part:
    """Part `number`: its nodes, and the calls whose outputs the next part reads."""
    made = [n for n, k in ready.items() if k == number and (n.domain not in (HOST, "netc") or n.op == "Stop")]
    called = [n for n, k in ready.items() if k == number + 1 and n.domain == HOST]
    new: dict[Value, Value] = {}

    def read(value: Value) -> Value:
        if value in new or value.node.key in (*LEAVES, CONSTANT):
            return new.get(value, value)
        new[value] = leaf("Input", value.dtype, value.shape, name=names[value])
        return new[value]

    for node in made:
        new |= zip(node.outputs, rebuild(node, tuple(None if v is None else read(v) for v in node.inputs)).outputs, strict=True)
    later = {v for n, k in ready.items() if k > number for v in n.operands} | set(ends.values())
    outputs = {names[v]: new[v] for n in made for v in n.outputs if v in later}
    if not number:  # constants that are read as arrays
        given = [v for n in ready if n.domain == HOST for v in n.operands]
        outputs |= {names[v]: v for v in (*given, *ends.values()) if v.node.key == CONSTANT}
    return Part(Graph(f"{name}/{number}", outputs), tuple(_call(n, names) for n in called))


def _call(node: Node, names: Mapping[Value, str]) -> Call:
    inputs, outputs = (tuple(names[v] for v in values) for values in (node.operands, node.outputs))
    return Call(node.origin, node.attrs["call"], node.attrs["facts"], inputs, outputs)
