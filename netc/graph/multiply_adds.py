"""The number of multiply-adds in one run of a node, from its shapes: a formula for each kind of op."""

from math import prod

from netc.graph.einsum import Equation
from netc.graph.ir import Node
from netc.graph.tensor_type import Shape


def size(shape: Shape) -> int:
    """The number of elements in a shape. A symbolic dimension counts as one."""
    return prod(d for d in shape if isinstance(d, int))


def convolution(node: Node) -> int:
    """One window of weights for each element of the output."""
    return size(node.types[0].shape) * size(node.operands[1].shape[1:])


def transposed_convolution(node: Node) -> int:
    """One window of weights for each element of the first input."""
    x, w = node.operands[:2]
    return size(x.shape) * size(w.shape[1:])


def filter_gradient(node: Node) -> int:
    """The filter gradient of a convolution: one window of weights for each element of dy, the second input."""
    return size(node.operands[1].shape) * size(node.types[0].shape[1:])


def product(node: Node) -> int:
    """A matrix product."""
    a = node.operands[0]
    inner = a.shape[0] if node.attrs.get("transA") else a.shape[-1]
    return size(node.types[0].shape) * size((inner,))


def einsum(node: Node) -> int:
    """One product for each combination of the indices, and for each operand after the first."""
    equation = Equation.of(node)
    longest: dict[str, int] = {}
    for indices, x in zip(equation.operands, node.operands, strict=True):
        for index, n in zip(indices, x.shape, strict=True):
            longest[index] = max(longest.get(index, 1), size((n,)))
    return prod(longest.values()) * (len(node.operands) - 1)


def recurrent(node: Node) -> int:
    """From gates (T, N, G) to y (T, N, H): h times (G, H) at each time step."""
    return size(node.operands[0].shape) * size(node.types[0].shape[2:])


def recurrent_gradient(node: Node) -> int:
    """The same for the gradient, from dy (T, N, H)."""
    return size(node.types[0].shape) * size(node.operands[0].shape[2:])


def attention(node: Node) -> int:
    """q times k' and the weights (N, heads, T, S) times v: twice D for each weight."""
    y, weights = node.types[0].shape, node.types[1].shape
    return 2 * size(weights) * (size(y[2:]) // size(weights[1:2]))


def attention_gradient(node: Node) -> int:
    """The gradient of attention: four products in place of two."""
    dy, weights = node.operands[0], next(v for v in node.operands[1:] if v.rank == 4)
    return 4 * size(weights.shape) * (size(dy.shape[2:]) // size(weights.shape[1:2]))
