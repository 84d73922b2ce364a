"""Gradients of activations."""

import math

from netc.graph.gradients.common import Gradients, masked, text
from netc.graph.ir import Node, Value, op
from netc.graph.training_ops.activation import gelu_grad
from netc.graph.training_ops.normalization import prelu_grad
from netc.registry import gradient

SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875  # ONNX's defaults


@gradient("Relu")
def relu(node: Node, dy: Value) -> Gradients:
    return (masked(node.outputs[0] > 0.0, dy),)


@gradient("LeakyRelu")
def leaky_relu(node: Node, dy: Value) -> Gradients:
    return (op.Where(node.operands[0] > 0.0, dy, dy * node.attrs.get("alpha", 0.01)),)


@gradient("PRelu")
def prelu(node: Node, dy: Value) -> Gradients:
    x, slope = node.operands
    return prelu_grad(x, slope, dy)


@gradient("Elu")
def elu(node: Node, dy: Value) -> Gradients:
    x, y, alpha = node.operands[0], node.outputs[0], node.attrs.get("alpha", 1.0)
    return (op.Where(x > 0.0, dy, dy * (y + alpha)),)


@gradient("Softplus")
def softplus(node: Node, dy: Value) -> Gradients:
    return (dy * op.Sigmoid(node.operands[0]),)


@gradient("Sigmoid")
def sigmoid(node: Node, dy: Value) -> Gradients:
    y = node.outputs[0]
    return (dy * y * (1.0 - y),)


@gradient("HardSigmoid")
def hard_sigmoid(node: Node, dy: Value) -> Gradients:
    y = node.outputs[0]
    return (masked(op.And(y > 0.0, y < 1.0), dy * node.attrs.get("alpha", 0.2)),)


@gradient("Tanh")
def tanh(node: Node, dy: Value) -> Gradients:
    y = node.outputs[0]
    return (dy * (1.0 - y * y),)


@gradient("Celu")
def celu(node: Node, dy: Value) -> Gradients:
    x, y, alpha = node.operands[0], node.outputs[0], node.attrs.get("alpha", 1.0)
    return (op.Where(x > 0.0, dy, dy * (y * (1 / alpha) + 1.0)),)


@gradient("Selu")
def selu(node: Node, dy: Value) -> Gradients:
    """y = gamma x above 0, gamma alpha (e^x - 1) below."""
    x, y = node.operands[0], node.outputs[0]
    alpha, gamma = node.attrs.get("alpha", SELU_ALPHA), node.attrs.get("gamma", SELU_GAMMA)
    return (op.Where(x > 0.0, dy * gamma, dy * (y + alpha * gamma)),)


@gradient("ThresholdedRelu")
def thresholded_relu(node: Node, dy: Value) -> Gradients:
    return (masked(node.operands[0] > node.attrs.get("alpha", 1.0), dy),)


@gradient("Shrink")
def shrink(node: Node, dy: Value) -> Gradients:
    return (masked(op.Abs(node.operands[0]) > node.attrs.get("lambd", 0.5), dy),)


@gradient("Softsign")
def softsign(node: Node, dy: Value) -> Gradients:
    """y = x / (1 + |x|)."""
    share = op.Reciprocal(op.Abs(node.operands[0]) + 1.0)
    return (dy * share * share,)


@gradient("HardSwish")
def hard_swish(node: Node, dy: Value) -> Gradients:
    """y = x max(0, min(1, x / 6 + 1 / 2))."""
    x = node.operands[0]
    between = dy * (x * (1 / 3) + 0.5)
    return (op.Where(x < 3.0, masked(x > -3.0, between), dy),)


@gradient("Mish")
def mish(node: Node, dy: Value) -> Gradients:
    """y = x t with t = tanh(softplus(x))."""
    x = node.operands[0]
    t = op.Tanh(op.Softplus(x))
    return (dy * (t + x * op.Sigmoid(x) * (1.0 - t * t)),)


@gradient("Erf")
def erf(node: Node, dy: Value) -> Gradients:
    x = node.operands[0]
    return (dy * op.Exp(-(x * x)) * (2 / math.sqrt(math.pi)),)


@gradient("Gelu")
def gelu(node: Node, dy: Value) -> Gradients:
    """y = x P(X < x) of the normal distribution, or its approximation by tanh (Hendrycks and Gimpel 2016)."""
    return (gelu_grad(node.operands[0], dy, tanh=int(text(node, "approximate", "none") == "tanh")),)
