"""Inputs of a deployed model under the blobs' own names."""

from netc.ir import Graph, Node, Value, leaf
from netc.layers.context import BATCH
from netc.passes.rewrite import rewrite


def plain_inputs(graph: Graph) -> Graph:
    """`graph` with the input `batch/data` called `data`."""

    def rule(node: Node) -> tuple[Value, ...] | None:
        if node.key != ("netc", "Input"):
            return None
        return (leaf("Input", node.types[0].dtype, node.types[0].shape, name=node.attrs["name"].removeprefix(BATCH)),)

    return rewrite(graph, rule)
