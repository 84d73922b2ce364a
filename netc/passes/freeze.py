"""States become constants: a trained net as one file."""

from collections.abc import Mapping

import numpy as np

from netc.ir import Graph, Node, Value, constant
from netc.passes.rewrite import rewrite


def freeze(graph: Graph, states: Mapping[str, np.ndarray]) -> Graph:
    """`graph` with each state replaced by its value in `states`, but those that it carries. KeyError if one has none."""

    def rule(node: Node) -> tuple[Value, ...] | None:
        kept = node.key != ("netc", "State") or node.attrs["kind"] == "carry"
        return None if kept else (constant(states[node.attrs["name"]]),)

    return rewrite(graph, rule)
