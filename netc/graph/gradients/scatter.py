"""Gradients of ops that write updates into data. Both kinds of index, and all reductions, follow the same formulas."""

from collections.abc import Callable
from dataclasses import dataclass

from netc.graph.gradients.common import Gradients, masked, product_of_others, text
from netc.graph.ir import Node, Value, cast, constant, op, zeros_like
from netc.registry import gradient


@dataclass(frozen=True)
class Scatter:
    """One node: how to read the places of its indices, and how to write to them."""

    data: Value
    updates: Value
    y: Value
    read: Callable[[Value], Value]
    write: Callable[..., Value]


@gradient("ScatterND")
def scatter_nd(node: Node, dy: Value) -> Gradients:
    data, index, updates = node.operands

    def write(into: Value, by: Value, reduction: str) -> Value:
        return op.ScatterND(into, index, by, reduction=reduction)

    return _found(node, Scatter(data, updates, node.outputs[0], lambda v: op.GatherND(v, index), write), dy)


@gradient("ScatterElements")
def scatter_elements(node: Node, dy: Value) -> Gradients:
    data, index, updates = node.operands
    axis = node.attrs.get("axis", 0)

    def write(into: Value, by: Value, reduction: str) -> Value:
        return op.ScatterElements(into, index, by, axis=axis, reduction=reduction)

    return _found(node, Scatter(data, updates, node.outputs[0], lambda v: op.GatherElements(v, index, axis=axis), write), dy)


def _found(node: Node, scatter: Scatter, dy: Value) -> Gradients:
    by_data, by_updates = REDUCTIONS[text(node, "reduction", "none")](scatter, dy)
    return by_data, None, by_updates


def _replaced(s: Scatter, dy: Value) -> tuple[Value, Value]:
    """What was replaced has no gradient."""
    return s.write(dy, zeros_like(s.updates), "none"), s.read(dy)


def _added(s: Scatter, dy: Value) -> tuple[Value, Value]:
    return dy, s.read(dy)


def _multiplied(s: Scatter, dy: Value) -> tuple[Value, Value]:
    """Each factor gets the product of the others in its place."""
    some = [op.Where(op.Equal(v, constant(0, v.dtype)), constant(1, v.dtype), v) for v in (s.data, s.updates)]
    zero = [cast(op.Equal(v, constant(0, v.dtype)), v.dtype) for v in (s.data, s.updates)]
    product, zeros = s.write(*some, "mul"), s.write(*zero, "add")
    by_updates = product_of_others(s.updates, s.read(product), s.read(zeros))
    return dy * product_of_others(s.data, product, zeros), s.read(dy) * by_updates


def _extreme(s: Scatter, dy: Value) -> tuple[Value, Value]:
    """Those that equal the result share the gradient."""
    by_data, by_updates = op.Equal(s.data, s.y), op.Equal(s.updates, s.read(s.y))
    share = dy / s.write(cast(by_data, dy.dtype), cast(by_updates, dy.dtype), "add")
    return masked(by_data, share), masked(by_updates, s.read(share))


REDUCTIONS: dict[str, Callable[[Scatter, Value], tuple[Value, Value]]] = {
    "none": _replaced, "add": _added, "mul": _multiplied, "max": _extreme, "min": _extreme,
}  # fmt: skip
