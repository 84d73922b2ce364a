"""Gradients of activations that a kernel of their own makes faster."""

from netc.ir import Value, constant, op
from netc.training_ops.define import training_op


@training_op("ReluGrad")
def relu_grad(y: Value, dy: Value) -> Value:
    """The gradient by x of y = Relu(x): dy where y is positive, else 0."""
    return op.Where(y > 0.0, dy, constant(0, dy.dtype))
