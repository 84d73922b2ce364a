"""Activations, and gradients of activations, that are faster with their own kernel."""

from math import pi

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops.define import training_op

CUBE, ROOT = np.float32(0.044715), np.float32((2 / pi) ** 0.5)  # the constants of the approximation of GELU


@training_op("ReluGrad", elementwise=True)
def relu_grad(y: Value, dy: Value) -> Value:
    """The gradient of y = Relu(x) with respect to x: dy if y is positive, else 0."""
    return op.Where(y > 0.0, dy, constant(0, dy.dtype))


@training_op("Dropout", elementwise=True)
def dropout(x: Value, uniform: Value, *, ratio: float) -> Value:
    """x / (1 - ratio) where `uniform`, random numbers in [0, 1), is at least `ratio`, else 0. Its gradient applies the same op to dy."""
    return dropped(x, uniform, ratio)


def dropped(x: Value, uniform: Value, ratio: float) -> Value:
    """The formula of `dropout`, for other bodies."""
    return x * (cast(op.GreaterOrEqual(uniform, np.float32(ratio)), x.dtype) * (1 / (1 - ratio)))


@training_op("Gelu", elementwise=True)
def gelu(x: Value, *, tanh: int = 0) -> Value:
    """x Phi(x), with the normal distribution function Phi; with `tanh`, its approximation (Hendrycks and Gimpel 2016)."""
    return op.Gelu(x, approximate="tanh" if tanh else "none")


@training_op("GeluGrad", elementwise=True)
def gelu_grad(x: Value, dy: Value, *, tanh: int = 0) -> Value:
    """The gradient with respect to x: dy (Phi(x) + x Phi'(x))."""
    if tanh:
        t = op.Tanh((x + x * x * x * CUBE) * ROOT)
        return dy * (0.5 * (1.0 + t) + x * (1.0 - t * t) * (1.0 + x * x * (3 * CUBE)) * (0.5 * ROOT))
    density = op.Exp(x * x * -0.5) * np.float32((2 * pi) ** -0.5)
    return dy * (0.5 * (1.0 + op.Erf(x * np.float32(2**-0.5))) + x * density)


@training_op("Softplus", elementwise=True)
def softplus(x: Value) -> Value:
    """log(1 + exp(x)), in the form that does not overflow; onnxruntime has no CUDA kernel for ONNX's own."""
    return op.Max(x, 0.0) + op.Log(1.0 + op.Exp(-op.Abs(x)))
