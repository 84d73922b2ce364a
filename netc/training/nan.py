"""Locate the origin of a NaN: repeat the step with every value as an output, and report the first one that is not finite."""

from collections.abc import Mapping

import numpy as np

from netc.errors import Diagnostic
from netc.graph.emit import input_name
from netc.graph.ir import Graph, Node
from netc.runtime.backend import Backend
from netc.runtime.chain import open_graph


def first_bad(graph: Graph, backend: Backend, feeds: Mapping[str, np.ndarray], states: Mapping[str, np.ndarray]) -> Diagnostic:
    """Name the first layer in execution order with a NaN or infinite value."""
    layers = {input_name(n.outputs[0]): n.state.layer for n in graph.leaves("State")}
    for name, array in {**feeds, **states}.items():
        if not np.isfinite(array).all():
            made = f", from the update of layer {layers[name]!r} in the previous iteration" if layers.get(name) else ""
            return Diagnostic(None, f"{name} contains {_what(array)} before the step{made}")
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.domain != "netc" and node.types and node.types[0].dtype.kind == "f":
            nodes.append(node)
    outputs = {str(k): node.outputs[0] for k, node in enumerate(nodes)}
    session = open_graph(Graph(graph.name, outputs), backend)
    leaves = {input_name(n.outputs[0]): n for n in (*graph.leaves("Input"), *graph.leaves("State"))}
    given = {n: np.asarray({**feeds, **states}[n]) for n in leaves if n in session.inputs}
    values = session.run(given)
    for k, node in enumerate(nodes):
        if not np.isfinite(values[str(k)]).all():
            o = node.origin
            return Diagnostic(
                o.place, f"the first non-finite value is {_what(values[str(k)])} in the {o.part} pass of layer {o.layer!r}, op {node.op}"
            )
    return Diagnostic(None, "all values were finite when the step was repeated")


def spoiled(states: Mapping[str, np.ndarray], nodes: Mapping[str, Node]) -> str | None:
    """A message that names the first state with a NaN or infinite value; None if there is none."""
    for name, array in states.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            layer = nodes[name].state.layer
            return f"{name} contains {_what(array)}" + (f", from the last update of layer {layer!r}" if layer else "")
    return None


def _what(array: np.ndarray) -> str:
    return "NaN" if np.isnan(array).any() else "infinity"
