"""Activations, and gradients of activations, that are faster with their own kernel."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops.define import training_op


@training_op("ReluGrad", elementwise=True)
def relu_grad(y: Value, dy: Value) -> Value:
    """The gradient of y = Relu(x) with respect to x: dy if y is positive, else 0."""
    return op.Where(y > 0.0, dy, constant(0, dy.dtype))


@training_op("Dropout", elementwise=True)
def dropout(x: Value, uniform: Value, *, ratio: float) -> Value:
    """x / (1 - ratio) where `uniform`, random numbers in [0, 1), is at least `ratio`, else 0. Its gradient applies the same op to dy."""
    return x * (cast(op.GreaterOrEqual(uniform, np.float32(ratio)), x.dtype) * (1 / (1 - ratio)))


@training_op("Softplus", elementwise=True)
def softplus(x: Value) -> Value:
    """log(1 + exp(x)), in the form that does not overflow; onnxruntime has no CUDA kernel for ONNX's own."""
    return op.Max(x, 0.0) + op.Log(1.0 + op.Exp(-op.Abs(x)))
