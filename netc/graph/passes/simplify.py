"""Simplifications that onnxruntime does not make.

1. x * 1, x / 1, x + 0, x - 0 become x.
2. Two transposes become one, or none.
3. Two reshapes become one.
4. An Expand or Reshape to the same shape is removed.
5. A power that is a multiple of a quarter becomes square roots and products, which are many times faster.
"""

from functools import reduce
from operator import mul

import numpy as np

from netc.graph.ir import Graph, Node, Value, constant_value, op
from netc.graph.origin import origin
from netc.graph.passes.rewrite import rewrite

NEUTRAL = {"Mul": 1, "Div": 1, "Add": 0, "Sub": 0}
SYMMETRIC = {"Mul", "Add"}
LARGEST_POWER = 3
TOUCHED = {*NEUTRAL, "Pow", "Reshape", "Expand", "Transpose"}


def simplify(graph: Graph) -> Graph:
    """Return `graph` without nodes that have no effect."""
    return rewrite(graph, _rule)


def _rule(node: Node) -> tuple[Value, ...] | None:
    if node.domain or node.op not in TOUCHED:
        return None
    with origin(node):
        found = _arithmetic(node) if node.op in NEUTRAL else _power(node) if node.op == "Pow" else _movement(node)
    return None if found is None or found.type != node.types[0] else (found,)


def _arithmetic(node: Node) -> Value | None:
    a, b = node.inputs
    if _is(b, NEUTRAL[node.op]):
        return a
    return b if node.op in SYMMETRIC and _is(a, NEUTRAL[node.op]) else None


def _is(x: Value | None, number: float) -> bool:
    array = constant_value(x)
    return array is not None and array.size > 0 and bool(np.all(array == number))


def _power(node: Node) -> Value | None:
    x, exponent = node.operands[0], constant_value(node.operands[1])
    if exponent is None or exponent.size != 1 or x.dtype.kind != "f":
        return None
    power = abs(exponent.item())
    if not 0 < power <= LARGEST_POWER or power % 0.25:
        return None
    root = op.Sqrt(x) if power % 1 else x
    factors = [x] * int(power) + [root] * (power % 1 >= 0.5) + ([op.Sqrt(root)] if power % 0.5 else [])
    y = reduce(mul, factors)
    return op.Reciprocal(y) if exponent.item() < 0 else y


def _movement(node: Node) -> Value | None:
    x = node.inputs[0] if node.inputs else None
    if x is None:
        return None
    if node.op in ("Reshape", "Expand") and x.shape == node.types[0].shape:
        return x
    if node.op == "Reshape" and x.node.key == ("", "Reshape"):
        inner, shape = x.node.operands[0], node.types[0].shape
        if inner.shape == shape:
            return inner
        return op.Reshape(inner, list(shape)) if all(isinstance(d, int) for d in shape) else None
    if node.op == "Transpose" and x.node.key == ("", "Transpose"):
        first, second = (list(n.attrs.get("perm", range(x.rank)[::-1])) for n in (x.node, node))
        perm = [first[i] for i in second]
        inner = x.node.operands[0]
        return inner if perm == sorted(perm) else op.Transpose(inner, perm=perm)
    return None
