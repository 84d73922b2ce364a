"""The traversal that passes share: it visits the nodes in order, with their inputs already rewritten."""

from collections.abc import Callable
from dataclasses import replace

from netc.graph.ir import Graph, Node, Value, rebuild


def rewrite(graph: Graph, rule: Callable[[Node], tuple[Value, ...] | None]) -> Graph:
    """Return `graph` with each node replaced by the values that `rule` returns for its outputs; None keeps the node.

    The rule sees nodes whose inputs are already rewritten. States that are updated stay unchanged.
    """
    new: dict[Value, Value] = {}
    for node in graph.nodes:
        now = rebuild(node, tuple(None if v is None else new[v] for v in node.inputs))
        new |= zip(node.outputs, rule(now) or now.outputs, strict=True)
    outputs = {n: new[v] for n, v in graph.outputs.items()}
    return replace(graph, outputs=outputs, updates={s: new[v] for s, v in graph.updates.items()})
