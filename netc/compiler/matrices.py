"""Which parameters of a net an optimizer of matrices updates, such as Muon, and which ones it leaves to another optimizer."""

from collections.abc import Iterable, Iterator, Sequence

from netc.errors import Suggestion, near
from netc.graph.ir import Node, Value, toposort
from netc.graph.op_info import info
from netc.net.rates import Rates

VIEWS = ("Cast", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")


def matrices(loss: Value, parameters: Iterable[Value], others: Sequence[str] = ()) -> frozenset[Value]:
    """Return the parameters that are matrices of a product, without those of the last product before a loss.

    Vectors, embeddings, positions and other tables are not in it. `others` are patterns of names that are not in it either, as in
    `netc.net.rates`.
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
    named = Rates(tuple(others))
    return frozenset(p for p in every - last if not named.freezes(p.node.name))


def idle(patterns: Sequence[str], parameters: Iterable[Value]) -> Iterator[tuple[int, str, Suggestion]]:
    """The patterns that fit no parameter: the number of each, the pattern, and near names."""
    states = [p.node.state for p in parameters]
    for k, pattern in enumerate(patterns):
        if not any(Rates((pattern,)).freezes(state.name) for state in states):
            yield k, pattern, near(pattern, {name for state in states for name in (state.layer, state.name)})


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
