"""The gradient of Einsum, which is an Einsum again.

The gradient with respect to an operand is the product of dy and the other operands, summed over the indices that this operand lacks.
Indices that only this operand has were summed, so dy is the same for all of them. An index that it has twice reads its diagonal.
"""

import numpy as np

from netc.graph.einsum import Equation
from netc.graph.gradients.common import Gradients, sizes
from netc.graph.ir import Node, Value, constant, op, shape_of
from netc.registry import gradient


@gradient("Einsum")
def einsum(node: Node, dy: Value) -> Gradients:
    equation = Equation.of(node)
    return tuple(_by_operand(node, equation, k, dy) for k in range(len(node.operands)))


def _by_operand(node: Node, equation: Equation, k: int, dy: Value) -> Value:
    x, own = node.operands[k], equation.operands[k]
    others = [(t, v) for i, (t, v) in enumerate(zip(equation.operands, node.operands, strict=True)) if i != k]
    once = "".join(dict.fromkeys(own))
    kept = "".join(c for c in once if c in equation.output or any(c in t for t, _ in others))
    terms, values = [equation.output, *(t for t, _ in others)], [dy, *(v for _, v in others)]
    product = dy if not others and kept == equation.output else op.Einsum(*values, equation=f"{','.join(terms)}->{kept}")
    missing = [i for i, c in enumerate(once) if c not in kept]
    dx = op.Unsqueeze(product, missing) if missing else product
    if len(once) < len(own):
        return _on_diagonals(dx, once, own, x, node)
    return op.Expand(dx, shape_of(x), shape=x.shape) if missing else dx


def _on_diagonals(dx: Value, once: str, own: str, x: Value, node: Node) -> Value:
    """dx in the places where the axes that share an index have the same number, else 0."""
    places = [own.index(c) for c in once]
    spread = op.Unsqueeze(dx, [i for i in range(len(own)) if i not in places])
    for i, c in enumerate(own):
        first = own.index(c)
        if i != first:
            (n,) = sizes(x, [first], node)
            same = np.eye(n, dtype=x.dtype).reshape([n if j in (first, i) else 1 for j in range(len(own))])
            spread = spread * constant(same)
    return op.Expand(spread, shape_of(x), shape=x.shape)
