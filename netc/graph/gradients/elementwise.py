"""Gradients of elementwise arithmetic and of selection."""

import numpy as np

from netc.graph.gradients.common import Gradients, masked, optional
from netc.graph.ir import Node, Value, cast, constant, constant_value, op
from netc.registry import gradient


@gradient("Add")
def add(node: Node, dy: Value) -> Gradients:
    return dy, dy


@gradient("Sub")
def sub(node: Node, dy: Value) -> Gradients:
    return dy, -dy


@gradient("Mul")
def mul(node: Node, dy: Value) -> Gradients:
    a, b = node.operands
    return dy * b, dy * a


@gradient("Div")
def div(node: Node, dy: Value) -> Gradients:
    b, y = node.operands[1], node.outputs[0]
    return dy / b, -dy * y / b


@gradient("Neg")
def neg(node: Node, dy: Value) -> Gradients:
    return (-dy,)


@gradient("Abs")
def absolute(node: Node, dy: Value) -> Gradients:
    return (dy * op.Sign(node.operands[0]),)


@gradient("Reciprocal")
def reciprocal(node: Node, dy: Value) -> Gradients:
    y = node.outputs[0]
    return (-dy * y * y,)


@gradient("Exp")
def exp(node: Node, dy: Value) -> Gradients:
    return (dy * node.outputs[0],)


@gradient("Log")
def log(node: Node, dy: Value) -> Gradients:
    return (dy / node.operands[0],)


@gradient("Sqrt")
def sqrt(node: Node, dy: Value) -> Gradients:
    return (dy * 0.5 / node.outputs[0],)


@gradient("Sum")
def total(node: Node, dy: Value) -> Gradients:
    return (dy,) * len(node.inputs)


@gradient("Mean")
def mean(node: Node, dy: Value) -> Gradients:
    return (dy * (1 / len(node.inputs)),) * len(node.inputs)


@gradient("Identity")
def identity(node: Node, dy: Value) -> Gradients:
    return (dy,)


@gradient("Mod")
def mod(node: Node, dy: Value) -> Gradients:
    """y = a - q b, where the whole number q is constant around almost every point."""
    a, b = node.operands
    return dy, dy * ((node.outputs[0] - a) / b)


@gradient("Pow")
def power(node: Node, dy: Value) -> Gradients:
    """Where the exponent is 0, or x is 0, the limits count: no NaN comes from 0 times infinity."""
    x, exponent = node.operands
    known = constant_value(exponent)
    level = cast(exponent, dy.dtype) if known is None else constant(known.astype(dy.dtype))
    dx = dy * level * _one_less(x, level, known)
    if known is None or (known == 0).any():
        dx = masked(op.Not(op.Equal(level, constant(0, dy.dtype))), dx)
    if known is not None:
        return dx, None
    zero = op.Equal(x, constant(0, x.dtype))
    return dx, dy * node.outputs[0] * op.Log(op.Where(zero, constant(1, x.dtype), x))


def _one_less(x: Value, level: Value, known: np.ndarray | None) -> Value:
    """x to one power less. Squares and cubes, which are common, need no Pow."""
    if known is None:
        return op.Pow(x, level - 1.0)
    if (known == 2).all() or (known == 3).all():
        return x if known.reshape(-1)[0] == 2 else x * x
    return op.Pow(x, constant(known.astype(level.dtype) - level.dtype.type(1)))


@gradient("Max")
def maximum(node: Node, dy: Value) -> Gradients:
    """The gradient goes to the largest input. In a tie of the first two, the second gets it (as in Caffe's Eltwise), else the earliest."""
    order = [1, 0, *range(2, len(node.inputs))] if len(node.inputs) > 1 else [0]
    found: dict[int, Value] = {}
    for i in order:
        found[i] = masked(op.Equal(node.operands[i], node.outputs[0]), dy)
        dy = dy - found[i]
    return tuple(found[i] for i in range(len(order)))


@gradient("Min")
def minimum(node: Node, dy: Value) -> Gradients:
    """The gradient goes to the smallest input. In a tie, the inputs share it."""
    hits = [cast(op.Equal(x, node.outputs[0]), dy.dtype) for x in node.operands]
    share = dy if len(hits) == 1 else dy / op.Sum(*hits)
    return tuple(share * hit for hit in hits)


@gradient("Clip")
def clip(node: Node, dy: Value) -> Gradients:
    """The gradient passes between the bounds and at them. A bound gets the gradient of the elements that it replaced."""
    x, y = node.operands[0], node.outputs[0]
    low, high = (_finite(optional(node, k)) for k in (1, 2))
    above = None if low is None else op.GreaterOrEqual(x, low)
    below = None if high is None else op.LessOrEqual(x, high)
    within = above if below is None else below if above is None else op.And(above, below)
    found = dy if within is None else masked(within, dy)
    by_low = None if above is None or low is None else masked(op.And(op.Not(above), op.Equal(y, low)), dy)
    by_high = None if below is None or high is None else masked(_replaced(below, y, low), dy)
    return (found, by_low, by_high)[: len(node.inputs)]


def _finite(bound: Value | None) -> Value | None:
    """A bound; None for a constant that bounds no number."""
    known = constant_value(bound)
    return None if known is not None and abs(known) >= np.finfo(known.dtype).max else bound


def _replaced(below: Value, y: Value, low: Value | None) -> Value:
    """Where the upper bound replaces x: x is above it, or the lower bound is."""
    return op.Not(below) if low is None else op.Or(op.Not(below), y < low)


@gradient("Where")
def where(node: Node, dy: Value) -> Gradients:
    condition, zero = node.operands[0], constant(0, dy.dtype)
    return None, op.Where(condition, dy, zero), op.Where(condition, zero, dy)


@gradient("Cast", "CastLike")
def cast_(node: Node, dy: Value) -> Gradients:
    """Between floats the gradient passes, and autodiff casts it back. Integers have no gradient."""
    x, y = node.operands[0], node.outputs[0]
    passes = np.issubdtype(x.dtype, np.floating) and np.issubdtype(y.dtype, np.floating)
    return (dy if passes else None, None)[: len(node.inputs)]
