"""The backward pass of a net that a program runs by hand, as a separate graph."""

from collections.abc import Sequence

import numpy as np

from netc.compiler.lower import Lowered
from netc.errors import SpecError
from netc.graph.autodiff import grad
from netc.graph.ir import HOST, Graph, Node, Value, leaf
from netc.graph.passes.rewrite import rewrite

SEED = "seed/"
BLOB_DIFF, STATE_DIFF = "diff/blob/", "diff/state/"


def backward_graph(lowered: Lowered, seeded: frozenset[str]) -> Graph:
    """The gradients of all blobs and trainable parameters, as outputs `diff/blob/<name>` and `diff/state/<name>`.

    The gradients of losses start at loss_weight. Those of blobs in `seeded` start at the input `seed/<name>` instead. SpecError if
    there are neither losses nor seeded blobs.
    """
    ends: dict[Value, Value | float] = {}
    for layer in lowered.net.layers:
        weighted = zip(layer.tops, layer.loss_weights, lowered.layer_tops[layer.name], strict=True)
        ends |= {value: weight for top, weight, value in weighted if weight and top not in seeded}
    for name in sorted(seeded):
        value = lowered.versions[name][-1]
        seed = leaf("Input", np.float32, value.shape, name=f"{SEED}{name}")
        ends[value] = seed + ends[value] if value in ends else seed  # the tops of a Split are one value
    if not ends:
        raise SpecError(f"{lowered.net.name}: The net has no loss. Pass the diffs of its tops.")
    wanted = {f"{BLOB_DIFF}{n}": v[0] for n, v in lowered.versions.items() if v[0].dtype.kind == "f"}
    wanted |= {f"{STATE_DIFF}{p.node.name}": p for p in lowered.parameters if p.node.state.lr_mult}
    found = {n: g for n, g in zip(wanted, grad(ends, list(wanted.values())), strict=True) if g is not None}
    return rewrite(Graph(lowered.net.name, found), _fed_by_forward)


def hosted(nodes: Sequence[Node]) -> dict[str, Value]:
    """The outputs of Python layers, by the names of inputs that pass them to the backward pass.

    So Python layers do not run twice.
    """
    return {f"hosted/{n.origin.layer}/{k}": v for n in nodes if n.key == (HOST, "Python") for k, v in enumerate(n.outputs)}


def _fed_by_forward(node: Node) -> tuple[Value, ...] | None:
    return tuple(leaf("Input", v.dtype, v.shape, name=name) for name, v in hosted([node]).items()) or None
