"""Gradients of trigonometric and hyperbolic functions, by ops that every provider has."""

from netc.graph.gradients.common import Gradients
from netc.graph.ir import Node, Value, op
from netc.registry import gradient


@gradient("Sin")
def sin(node: Node, dy: Value) -> Gradients:
    return (dy * op.Cos(node.operands[0]),)


@gradient("Cos")
def cos(node: Node, dy: Value) -> Gradients:
    return (-dy * op.Sin(node.operands[0]),)


@gradient("Tan")
def tan(node: Node, dy: Value) -> Gradients:
    y = node.outputs[0]
    return (dy * (y * y + 1.0),)


@gradient("Asin")
def asin(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return (dy / op.Sqrt(1.0 - x * x),)


@gradient("Acos")
def acos(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return (-dy / op.Sqrt(1.0 - x * x),)


@gradient("Atan")
def atan(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return (dy / (x * x + 1.0),)


@gradient("Sinh")
def sinh(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return (dy * (op.Exp(x) + op.Exp(-x)) * 0.5,)


@gradient("Cosh")
def cosh(node: Node, dy: Value) -> Gradients:
    """sinh = cosh tanh, which is exact around 0."""
    return (dy * node.outputs[0] * op.Tanh(node.operands[0]),)


@gradient("Asinh")
def asinh(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return (dy / op.Sqrt(x * x + 1.0),)


@gradient("Acosh")
def acosh(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return (dy / op.Sqrt(x * x - 1.0),)


@gradient("Atanh")
def atanh(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return (dy / (1.0 - x * x),)
