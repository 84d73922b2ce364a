"""What a graph costs, counted from its shapes: multiply-adds by layer. Ops that only touch each element count 0."""

from collections import Counter

from netc.graph.ir import Graph
from netc.graph.op_info import info


def by_layer(graph: Graph) -> Counter[str]:
    """Multiply-adds of one run of the graph's nodes by the layer that they came from; a symbolic batch counts as one."""
    counts: Counter[str] = Counter()
    for node in graph.nodes:
        count = info(node).multiply_adds
        counts[node.origin.layer] += count(node) if count else 0
    return counts


def total(graph: Graph) -> int:
    """Multiply-adds of one run of the graph."""
    return sum(by_layer(graph).values())
