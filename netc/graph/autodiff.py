"""Reverse-mode differentiation: values in, values out.

The rules of the single ops are in `netc.graph.gradients`. This module does once what all rules share: it finds the nodes that matter, sums
over several uses of a value, undoes broadcasts, and names the layer in errors.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from netc.errors import Diagnostic, GradientError
from netc.graph.ir import Node, Value, cast, constant, op, shape_of, toposort
from netc.graph.needed import needing
from netc.graph.origin import origin
from netc.registry import gradient

STOP = ("netc", "Stop")


def grad(ends: Mapping[Value, Value | float], wrt: Sequence[Value]) -> list[Value | None]:
    """Return the gradient of the sum of `ends`, each weighted elementwise by its seed, with respect to each value of `wrt`.

    A seed is a number, or a value of the end's shape. The gradient is None for a value that no end depends on. GradientError lists every op
    on the way that has no gradient.
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
    lacking: list[_Lacking] = []
    for node in reversed(nodes):
        dys = [grads.get(y) for y in node.outputs]
        if node.key == STOP or not any(x in live for x in node.inputs) or all(dy is None for dy in dys):
            continue
        with origin(node, part="backward"), needing(live):
            try:
                found = gradient.find(node.key)(node, *dys)
            except GradientError as e:
                lacking.append(_Lacking(node, "" if node.key not in gradient else str(e)))
                continue
            for x, dx in zip(node.inputs, found, strict=True):
                if x is not None and x in live and dx is not None:
                    _add(grads, x, sum_to(dx, x))
    if lacking:
        raise GradientError(*_listed(lacking))
    return [grads.get(x) for x in wrt]


@dataclass(frozen=True)
class _Lacking:
    """A node without a gradient, and the reason if its op has one in other cases."""

    node: Node
    reason: str


def _listed(lacking: Iterable[_Lacking]) -> Iterator[Diagnostic]:
    """One error for each layer and op, with the nodes of the ONNX file that it is in."""
    kinds: dict[tuple[str, str, str], list[Node]] = {}
    for found in reversed(list(lacking)):
        kinds.setdefault((found.node.origin.layer, found.node.op, found.reason), []).append(found.node)
    for (layer, op_, reason), nodes in kinds.items():
        names = list(dict.fromkeys(n.origin.node for n in nodes if n.origin.node))
        first = f" ({len(names)} nodes, first {names[0]})" if len(names) > 1 else f" (node {names[0]})" if names else ""
        text = f"{reason.rstrip('.')}{first}." if reason else f"The op {op_} has no gradient{first}."
        if names:
            text += " `freeze` what comes before, or cut behind it."
        yield Diagnostic(nodes[0].origin.place, f"Layer {layer!r}: {text}" if layer else text)


def _live(nodes: Iterable[Node], wrt: Sequence[Value]) -> set[Value | None]:
    """Return the values through which a gradient with respect to `wrt` flows. No gradients of other values are computed."""
    live: set[Value | None] = set(wrt)
    for node in nodes:
        if node.key != STOP and any(x in live for x in node.inputs):
            live.update(node.outputs)
    return live


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
