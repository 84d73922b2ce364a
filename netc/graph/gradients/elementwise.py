"""Gradients of elementwise ops."""

from netc.graph.ir import Node, Value, constant, constant_value, op
from netc.graph.training_ops.normalization import prelu_grad
from netc.registry import gradient

Gradients = tuple[Value | None, ...]


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


@gradient("Pow")
def power(node: Node, dy: Value) -> Gradients:
    x, exponent = node.operands
    y, known = node.outputs[0], constant_value(exponent)
    less = exponent - 1.0 if known is None else constant(known - 1)
    return dy * exponent * op.Pow(x, less), dy * y * op.Log(x)


@gradient("Max")
def maximum(node: Node, dy: Value) -> Gradients:
    """The gradient goes to the largest input. In a tie of the first two, the second gets it (as in Caffe's Eltwise), else the earliest."""
    order = [1, 0, *range(2, len(node.inputs))] if len(node.inputs) > 1 else [0]
    found: dict[int, Value] = {}
    for i in order:
        found[i] = op.Where(op.Equal(node.operands[i], node.outputs[0]), dy, constant(0, dy.dtype))
        dy = dy - found[i]
    return tuple(found[i] for i in range(len(order)))


@gradient("Relu")
def relu(node: Node, dy: Value) -> Gradients:
    return (op.Where(node.outputs[0] > 0.0, dy, constant(0, dy.dtype)),)


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


@gradient("Clip")
def clip(node: Node, dy: Value) -> Gradients:
    """The gradient passes between the bounds and at them. The bounds have no gradient."""
    x, *bounds = node.operands
    within = op.And(op.GreaterOrEqual(x, bounds[0]), op.LessOrEqual(x, bounds[1]))
    return op.Where(within, dy, constant(0, dy.dtype)), None, None


@gradient("Sigmoid")
def sigmoid(node: Node, dy: Value) -> Gradients:
    y = node.outputs[0]
    return (dy * y * (1.0 - y),)


@gradient("HardSigmoid")
def hard_sigmoid(node: Node, dy: Value) -> Gradients:
    y = node.outputs[0]
    return (op.Where(op.And(y > 0.0, y < 1.0), dy * node.attrs.get("alpha", 0.2), constant(0, dy.dtype)),)


@gradient("Tanh")
def tanh(node: Node, dy: Value) -> Gradients:
    y = node.outputs[0]
    return (dy * (1.0 - y * y),)


@gradient("Where")
def where(node: Node, dy: Value) -> Gradients:
    condition, zero = node.operands[0], constant(0, dy.dtype)
    return None, op.Where(condition, dy, zero), op.Where(condition, zero, dy)


@gradient("Cast")
def cast(node: Node, dy: Value) -> Gradients:
    """Between floats the gradient passes, and autodiff casts it back. Integers have no gradient."""
    x, y = node.operands[0], node.outputs[0]
    return (dy if x is not None and x.dtype.kind == y.dtype.kind == "f" else None,)


@gradient("Equal", "Greater", "GreaterOrEqual", "Less", "Not", "OneHot", "Shape", "Sign")
def flat(node: Node, dy: Value) -> Gradients:
    """The gradient of a step function: zero wherever it is defined."""
    return (None,) * len(node.inputs)
