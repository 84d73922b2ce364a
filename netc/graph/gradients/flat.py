"""Ops without a gradient: steps, comparisons, indices, shapes and random numbers. Their gradient is zero wherever it is defined."""

from netc.graph.gradients.common import Gradients
from netc.graph.ir import Node, Value
from netc.registry import gradient

STEPS = "Ceil", "Floor", "Hardmax", "Round", "Sign"
COMPARISONS = "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual"
LOGIC = "And", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Not", "Or", "Xor"
INDICES = "ArgMax", "ArgMin", "NonMaxSuppression", "NonZero", "OneHot", "Unique"
SHAPES = "ConstantOfShape", "EyeLike", "Range", "Shape", "Size"
RANDOM = "Bernoulli", "Multinomial", "RandomNormalLike", "RandomUniformLike"


@gradient(*STEPS, *COMPARISONS, *LOGIC, *INDICES, *SHAPES, *RANDOM)
def flat(node: Node, *dy: Value | None) -> Gradients:
    """The gradient of a step function."""
    return (None,) * len(node.inputs)
