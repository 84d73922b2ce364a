"""What several gradient rules share."""

from collections.abc import Sequence

from netc.errors import GradientError
from netc.graph.ir import Node, Value, constant, constant_value, op, shape_of

Gradients = tuple[Value | None, ...]


def masked(condition: Value, dy: Value) -> Value:
    """`dy` where the condition holds, else 0."""
    return op.Where(condition, dy, constant(0, dy.dtype))


def optional(node: Node, place: int) -> Value | None:
    """The input in this place; None if it is omitted."""
    return node.inputs[place] if place < len(node.inputs) else None


def only(node: Node, *found: Value | None) -> Gradients:
    """The gradients of the first inputs, and None for the others."""
    return (*found, *(None for _ in node.inputs))[: len(node.inputs)]


def numbers(node: Node, place: int, what: str) -> list[int] | None:
    """The integers of a constant input; None if it is omitted. GradientError if it is known only in a run."""
    value = optional(node, place)
    known = constant_value(value)
    if value is not None and known is None:
        raise GradientError(f"The op {node.op} has a gradient only if its {what} are constants.")
    return None if known is None else [int(v) for v in known.reshape(-1)]


def sizes(x: Value, axes: Sequence[int], node: Node) -> list[int]:
    """The sizes of these axes. GradientError if one is known only in a run."""
    found = [x.shape[a] for a in axes]
    if any(isinstance(n, str) for n in found):
        raise GradientError(f"The op {node.op} has a gradient only if the sizes of its axes {list(axes)} are numbers, got {x.type}.")
    return [int(n) for n in found]


def like(dx: Value, x: Value) -> Value:
    """`dx` in the shape of x, which has as many elements."""
    return op.Reshape(dx, shape_of(x), shape=x.shape)


def text(node: Node, name: str, default: str) -> str:
    """An attribute that is a word."""
    return str(node.attrs.get(name, default))


def product_of_others(x: Value, product: Value, zeros: Value) -> Value:
    """The product of all factors but x, from the product of those that are not 0 and the number of those that are."""
    zero, none = op.Equal(x, constant(0, x.dtype)), constant(0, x.dtype)
    safe = op.Where(zero, constant(1, x.dtype), x)
    only_zero = masked(op.Equal(zeros, constant(1, x.dtype)), product)
    return op.Where(zero, only_zero, masked(op.Equal(zeros, none), product / safe))
