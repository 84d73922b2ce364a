"""The cost of a graph, computed from its shapes: multiply-adds by layer. Ops that only touch each element count 0."""

from collections import Counter

from netc.graph.ir import Graph
from netc.graph.op_info import info


def by_layer(graph: Graph) -> Counter[str]:
    """Return the multiply-adds of one run of the graph, by the layer that its nodes come from. A symbolic batch counts as one."""
    counts: Counter[str] = Counter()
    for node in graph.nodes:
        count = info(node).multiply_adds
        counts[node.origin.layer] += count(node) if count else 0
    return counts


def total(graph: Graph) -> int:
    """Return the multiply-adds of one run of the graph."""
    return sum(by_layer(graph).values())
