"""Activations, and gradients of activations, that a kernel of their own makes faster."""

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.graph.training_ops.define import training_op


@training_op("ReluGrad", elementwise=True)
def relu_grad(y: Value, dy: Value) -> Value:
    """The gradient by x of y = Relu(x): dy where y is positive, else 0."""
    return op.Where(y > 0.0, dy, constant(0, dy.dtype))


@training_op("Dropout", elementwise=True)
def dropout(x: Value, uniform: Value, *, ratio: float) -> Value:
    """x / (1 - ratio) where `uniform`, numbers of [0, 1), is at least `ratio`, else 0. Its gradient is the same of dy."""
    return x * (cast(op.GreaterOrEqual(uniform, np.float32(ratio)), x.dtype) * (1 / (1 - ratio)))


@training_op("Softplus", elementwise=True)
def softplus(x: Value) -> Value:
    """log(1 + exp(x)), in the form that does not overflow; onnxruntime has no CUDA kernel for ONNX's own."""
    return op.Max(x, 0.0) + op.Log(1.0 + op.Exp(-op.Abs(x)))
