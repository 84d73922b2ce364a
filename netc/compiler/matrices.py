"""Which parameters of a net an optimizer of matrices updates, such as Muon, and which ones it leaves to another optimizer."""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from netc.graph.ir import Node, Value, toposort
from netc.graph.op_info import info

VIEWS = ("Cast", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def matrices(loss: Value, parameters: Iterable[Value], others: Sequence[str] = ()) -> frozenset[Value]:
    """Return the parameters that are matrices of a product, without those of the last product before a loss.

    Vectors, embeddings, positions and other tables are not in it. `others` are patterns of names that are not in it either.
    """
    factors: dict[Node, set[Value]] = {}
    views = {p: p for p in parameters if p.rank >= 2}
    for node in toposort([loss]):
        found = {views[v] for v in node.operands if v in views}
        if node.op in VIEWS and node.operands and node.operands[0] in views:
            views[node.outputs[0]] = views[node.operands[0]]
        elif found and info(node).multiply_adds:
            factors[node] = found
    last = set(_last(loss, factors))
    every = {p for found in factors.values() for p in found}
    return frozenset(p for p in every - last if not any(matches(p, pattern) for pattern in others))


def matches(parameter: Value, pattern: str) -> bool:
    """Whether a pattern names a parameter (`conv1.weight`), or its layer."""
    state = parameter.node.state
    return fnmatchcase(state.name, pattern) or fnmatchcase(state.layer, pattern)


def _last(loss: Value, factors: dict[Node, set[Value]]) -> Iterator[Value]:
    """The parameters of the first products on each way back from the loss."""
    stack, seen = [loss.node], {loss.node}
    while stack:
        node = stack.pop()
        if node in factors:
            yield from factors[node]
            continue
        new = {v.node for v in node.operands} - seen
        seen |= new
        stack += new
