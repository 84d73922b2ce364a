"""Replaces states by constants, so that a trained net is one file."""

from collections.abc import Mapping

import numpy as np

from netc.graph.ir import Graph, Node, Value, leaf
from netc.graph.passes.rewrite import rewrite


def freeze(graph: Graph, states: Mapping[str, np.ndarray]) -> Graph:
    """Return `graph` with each state replaced by its value in `states`, except carried states. KeyError if a state has no value.

    The constant keeps the state's name.
    """

    def rule(node: Node) -> tuple[Value, ...] | None:
        if node.key != ("netc", "State") or node.state.kind == "carry":
            return None
        array = np.asarray(states[node.name])
        return (leaf("Constant", array.dtype, array.shape, info=node.info, value=array),)

    return rewrite(graph, rule)
