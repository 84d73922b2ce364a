"""Arithmetic, selection, activations, and functions of one variable."""

from typing import Any

import numpy as np

from netc.graph.ir import cast, constant, op
from tests.graph.gradients.arrays import Fixed, away, inside, normal, positive, spaced

CHOSEN = np.array([True, False, True])
ARITHMETIC: dict[str, Any] = {
    "Abs": [(op.Abs, away(3, 4))],
    "Add": [(lambda a, b: a + b, normal(2, 3), normal(3)), (Fixed(lambda a, b: a + b, "a vector"), normal(3), normal(2, 1, 1))],
    "Cast": [(lambda x: cast(cast(x, np.float64) * 2.0, np.float32), normal(3))],
    "CastLike": [(lambda x: cast(op.CastLike(x, constant(np.float64(0))) * 2.0, np.float32), normal(3))],
    "Clip": [
        (lambda x: op.Clip(x, -0.35, 0.55), spaced(3, 4)),
        (lambda x: op.Clip(x, None, 0.55), spaced(3, 4)),
        (lambda x: op.Clip(x, -0.35), spaced(3, 4)),
        (op.Clip, spaced(3, 4), np.array(-0.35, np.float32), np.array(0.55, np.float32)),
        (op.Clip, spaced(3, 4), np.array(0.35, np.float32), np.array(-0.55, np.float32)),
    ],
    "Div": [(lambda a, b: a / b, normal(2, 3), positive(3))],
    "Exp": [(op.Exp, normal(3))],
    "Identity": [(op.Identity, normal(3, 2))],
    "Log": [(op.Log, positive(3))],
    "Max": [(op.Max, spaced(3, 4), spaced(3, 4) + np.float32(0.05), spaced(3, 4) + np.float32(0.025)), (op.Max, spaced(3))],
    "Mean": [(op.Mean, normal(2, 3), normal(3), normal(2, 1)), (op.Mean, normal(2))],
    "Min": [(op.Min, spaced(3, 4) * 4, spaced(3, 4) * 4 + 0.2, spaced(4) * 4 + 0.1), (op.Min, spaced(3))],
    "Mod": [(lambda a, b: op.Mod(a, b, fmod=1), np.array([[5.3, -5.3], [2.6, -0.4]], np.float32), np.array([2.0, 1.5], np.float32))],
    "Mul": [(lambda a, b: a * b, normal(2, 3), normal(2, 1))],
    "Neg": [(lambda x: -x, normal(3))],
    "Pow": [
        (lambda x: x ** 3.0, normal(4)),
        (op.Pow, positive(3), normal(3)),
        (lambda x: op.Pow(x, constant(2)), normal(4)),
        (lambda x: op.Pow(x, constant(np.array([0, 1, 2], np.float32))), normal(4, 3)),
    ],
    "Reciprocal": [(op.Reciprocal, positive(3))],
    "Sqrt": [(op.Sqrt, positive(3))],
    "Sub": [(lambda a, b: a - b, normal(2, 3), normal(1, 3))],
    "Sum": [(op.Sum, normal(2, 3), normal(3), normal(2, 1)), (op.Sum, normal(2))],
    "Where": [(lambda a, b: op.Where(constant(CHOSEN), a, b), normal(2, 3), normal(3))],
}  # fmt: skip
ACTIVATIONS: dict[str, Any] = {
    "Celu": [(lambda x: op.Celu(x, alpha=1.7), away(3, 4)), (op.Celu, away(3, 4))],
    "Elu": [(lambda x: op.Elu(x, alpha=0.7), away(3, 4))],
    "Erf": [(op.Erf, normal(3, 4))],
    "Gelu": [(op.Gelu, normal(3, 4)), (lambda x: op.Gelu(x, approximate="tanh"), normal(3, 4))],
    "HardSwish": [(op.HardSwish, spaced(8, 10) + np.float32(0.95))],
    "LeakyRelu": [(lambda x: op.LeakyRelu(x, alpha=0.2), away(3, 4))],
    "Mish": [(op.Mish, normal(3, 4) * np.float32(3))],
    "PRelu": [
        (lambda x, s: op.PRelu(x, op.Reshape(s, [3, 1])), away(2, 3, 4), normal(3)),
        (op.PRelu, away(2, 3), normal()),
        (op.PRelu, away(2, 3, 4), normal(2, 3, 4)),
    ],
    "Relu": [(op.Relu, away(3, 4))],
    "Selu": [(op.Selu, away(3, 4)), (lambda x: op.Selu(x, alpha=2.0, gamma=1.5), away(3, 4))],
    "Shrink": [(lambda x: op.Shrink(x, lambd=0.55, bias=0.2), spaced(3, 8))],
    "Sigmoid": [(op.Sigmoid, normal(3))],
    "Softplus": [(op.Softplus, normal(3, 4))],
    "Softsign": [(op.Softsign, away(3, 4))],
    "Tanh": [(op.Tanh, normal(3))],
    "ThresholdedRelu": [(lambda x: op.ThresholdedRelu(x, alpha=0.35), spaced(3, 8))],
}
FUNCTIONS: dict[str, Any] = {
    "Acos": [(op.Acos, inside(3, 4))],
    "Acosh": [(op.Acosh, positive(3, 4) + np.float32(1))],
    "Asin": [(op.Asin, inside(3, 4))],
    "Asinh": [(op.Asinh, normal(3, 4))],
    "Atan": [(op.Atan, normal(3, 4))],
    "Atanh": [(op.Atanh, inside(3, 4))],
    "Cos": [(op.Cos, normal(3, 4))],
    "Cosh": [(op.Cosh, normal(3, 4))],
    "Sin": [(op.Sin, normal(3, 4))],
    "Sinh": [(op.Sinh, normal(3, 4))],
    "Tan": [(op.Tan, inside(3, 4))],
}
ROWS = ARITHMETIC | ACTIVATIONS | FUNCTIONS
