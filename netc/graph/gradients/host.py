"""The gradient of a Python layer: its own backward method, called between parts of the graph."""

from functools import partial

from netc.graph.gradients.common import Gradients
from netc.graph.ir import HOST, Node, Value, zeros
from netc.graph.needed import needed
from netc.registry import gradient


@gradient("Python", domain=HOST)
def python(node: Node, *dys: Value | None) -> Gradients:
    """The tops are inputs of the backward node, so that forward runs first."""
    hosted, count = node.attrs["hosted"], len(node.attrs["hosted"].bottom)
    seeds = [zeros(y.shape) if dy is None else dy for y, dy in zip(node.outputs, dys, strict=True)]
    wanted = [needed(x) for x in node.operands[:count]]
    call = partial(hosted.backward, wanted)
    types = tuple(x.type for x in node.operands)
    attrs = {"call": call, "facts": {**node.attrs["facts"], "method": "backward", "propagate_down": wanted}}
    found = Node("PythonBackward", (*node.inputs, *node.outputs, *seeds), attrs, types, HOST).outputs
    return tuple(g if k >= count or wanted[k] else None for k, g in enumerate(found))
