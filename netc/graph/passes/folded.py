"""A trained graph with fewer ops: constants are computed, and factors and shifts per channel move into the weights before them."""

from netc.graph.ir import Graph
from netc.graph.passes.fold_constants import fold_constants
from netc.graph.passes.fold_scales import fold_scales
from netc.graph.passes.simplify import simplify


def folded(graph: Graph) -> Graph:
    """Return `graph`, whose weights are constants, with fewer ops. Its outputs change by rounding only."""
    return fold_scales(simplify(fold_constants(graph)))
