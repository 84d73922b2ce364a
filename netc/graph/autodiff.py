"""Reverse-mode differentiation: values in, values out.

The rules of the single ops are in `netc.graph.gradients`. This module does once what all rules share: it finds the nodes that matter, sums
over several uses of a value, undoes broadcasts, and names the layer in errors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netc.errors import Diagnostic, GradientError, Place
from netc.graph.ir import Node, Value, cast, constant, op, shape_of, toposort, zeros_like
from netc.graph.needed import needing
from netc.graph.origin import origin
from netc.registry import gradient

STOP = ("netc", "Stop")


def grad(ends: Mapping[Value, Value | float], wrt: Sequence[Value]) -> list[Value | None]:
    """Return the gradient of the sum of `ends`, each weighted elementwise by its seed, with respect to each value of `wrt`.

    A seed is a number, or a value of the end's shape. The gradient is None for a value that no end depends on. GradientError, with all ops
    that a gradient would have to pass and cannot.
    """
    nodes = toposort(ends)
    live = _live(nodes, wrt)
    grads: dict[Value, Value] = {}
    for end, seed in ends.items():
        _add(
            grads,
            end,
            seed
            if isinstance(seed, Value)
            else op.Expand(constant(seed, end.dtype), shape_of(end), shape=end.shape)
            if end.shape
            else constant(seed, end.dtype),
        )
    refused = _Refused()
    for node in reversed(nodes):
        dys = [grads.get(y) for y in node.outputs]
        if node.key == STOP or not any(x in live for x in node.inputs) or all(dy is None for dy in dys):
            continue
        with origin(node, part="backward"), needing(live):
            for x, dx in zip(node.inputs, _by_inputs(node, dys, refused), strict=True):
                if x is not None and x in live and dx is not None:
                    _add(grads, x, sum_to(dx, x))
    refused.check()
    return [grads.get(x) for x in wrt]


def _live(nodes: Iterable[Node], wrt: Sequence[Value]) -> set[Value | None]:
    """Return the values through which a gradient with respect to `wrt` flows. No gradients of other values are computed."""
    live: set[Value | None] = set(wrt)
    for node in nodes:
        if node.key != STOP and any(x in live for x in node.inputs):
            live.update(node.outputs)
    return live


def _by_inputs(node: Node, dys: Sequence[Value | None], refused: "_Refused") -> Sequence[Value | None]:
    """The gradients with respect to the inputs of a node. If it has none, zeros stand for them, so that the walk goes on."""
    rule = gradient.get(node.key)
    try:
        if rule is not None:
            found: Sequence[Value | None] = rule(node, *dys)
            return found
        refused.add(node, f"The op {node.op} has no gradient.")
    except GradientError as e:
        refused.add(node, e.diagnostics[0].text)
    return [zeros_like(x) if x is not None and x.dtype.kind == "f" else None for x in node.inputs]


@dataclass
class _Refused:
    """The nodes that have no gradient, by the place of their layer and the reason."""

    nodes: dict[tuple[Place | None, str], list[str]] = field(default_factory=dict)

    def add(self, node: Node, reason: str) -> None:
        layer = f"Layer {node.origin.layer!r}: " if node.origin.layer else ""
        self.nodes.setdefault((node.origin.place, layer + reason), []).append(node.origin.node)

    def check(self) -> None:
        """GradientError if there is one: a line for each layer and reason."""
        if self.nodes:
            raise GradientError(*(Diagnostic(place, text + _listed(names)) for (place, text), names in reversed(self.nodes.items())))


def _listed(names: list[str]) -> str:
    """The nodes that a sentence is about: at most three of them by name."""
    known = [n for n in names if n]
    if not known:
        return "" if len(names) == 1 else f" {len(names)} nodes use it."
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f" It is the node {known[0]!r}." if len(names) == 1 else f" The nodes are {', '.join(map(repr, known[-1:-4:-1]))}{more}."


def _add(grads: dict[Value, Value], x: Value, dx: Value) -> None:
    grads[x] = grads[x] + dx if x in grads else dx


def sum_to(dx: Value, x: Value) -> Value:
    """Undo broadcasting: sum `dx` over the axes along which `x` was expanded. The result has the dtype of `x`."""
    extra = dx.rank - x.rank
    if extra < 0:
        return op.Expand(dx, shape_of(x), shape=x.shape)
    axes = [*range(extra), *(i + extra for i, n in enumerate(x.shape) if n == 1 and dx.shape[i + extra] != 1)]
    if axes and extra and len(axes) == extra:
        dx = op.ReduceSum(dx, axes, keepdims=0)
    elif axes:
        dx = op.ReduceSum(dx, axes, keepdims=1)
        dx = op.Reshape(dx, shape_of(x), shape=x.shape) if extra else dx
    return cast(dx, x.dtype)
