"""States become constants: a trained net as one file."""

from collections.abc import Mapping

import numpy as np

from netc.ir import Graph, Node, Value, constant
from netc.passes.rewrite import rewrite


def freeze(graph: Graph, states: Mapping[str, np.ndarray]) -> Graph:
    """`graph` with each state replaced by its value in `states`; KeyError if one has none."""

    def rule(node: Node) -> tuple[Value, ...] | None:
        return (constant(states[node.attrs["name"]]),) if node.key == ("netc", "State") else None

    return rewrite(graph, rule)
