"""The formulas of elementwise layers without weights: one row per type.

All other tests of these types are derived from the row: values, the gradient, a symbolic batch, layers in place, the layout for the native
kernels, memory, `netc help`, the JSON Schema.
"""

from collections.abc import Callable, Mapping, Sequence
from math import erf, sqrt

import numpy as np


def normal(x: np.ndarray) -> np.ndarray:
    """The normal distribution function."""
    return np.array([(1 + erf(v / sqrt(2))) / 2 for v in x.reshape(-1)]).reshape(x.shape)


# By type: its fields, and the values for x. Without fields, the defaults apply. Clip has no defaults.
FORMULAS: Mapping[str, Sequence[tuple[str, Callable[[np.ndarray], np.ndarray]]]] = {
    "AbsVal": [("", np.abs)],
    "BNLL": [("", lambda x: np.log1p(np.exp(x)))],
    "Clip": [("min: -1, max: 2", lambda x: np.clip(x, -1, 2))],
    "ELU": [
        ("", lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)),
        ("alpha: 0.3", lambda x: np.where(x > 0, x, 0.3 * (np.exp(np.minimum(x, 0)) - 1))),
    ],
    "Exp": [("scale: 0.5", lambda x: np.exp(x / 2)), ("base: 2, scale: 0.5, shift: 3", lambda x: 2 ** (3 + x / 2))],
    "GELU": [
        ("", lambda x: x * normal(x)),
        ("approximate: TANH", lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))),
    ],
    "HardSigmoid": [("", lambda x: np.clip(0.2 * x + 0.5, 0, 1)), ("alpha: 0.5, beta: 0.1", lambda x: np.clip(0.5 * x + 0.1, 0, 1))],
    "HardSwish": [("", lambda x: x * np.clip(x / 6 + 0.5, 0, 1))],
    "Log": [("shift: 40", lambda x: np.log(x + 40)), ("base: 10, scale: -2, shift: 100", lambda x: np.log10(100 - 2 * x))],
    "Mish": [("", lambda x: x * np.tanh(np.log1p(np.exp(x))))],
    "Power": [
        ("", lambda x: x),
        ("power: 2, scale: 3, shift: 1", lambda x: (1 + 3 * x) ** 2),
        ("power: 3", lambda x: x**3),
        ("power: 0, shift: 4", np.ones_like),
        ("power: 2, scale: 0, shift: 4", lambda x: np.full_like(x, 16)),
    ],
    "ReLU": [("", lambda x: np.maximum(x, 0)), ("negative_slope: 0.1", lambda x: np.where(x > 0, x, 0.1 * x))],
    "ReLU6": [
        ("", lambda x: np.clip(x, 0, 6)),
        ("negative_slope: 0.1", lambda x: np.minimum(np.where(x > 0, x, 0.1 * x), 6)),
    ],
    "SiLU": [("", lambda x: x / (1 + np.exp(-x)))],
    "Sigmoid": [("", lambda x: 1 / (1 + np.exp(-x)))],
    "Softplus": [("", lambda x: np.log1p(np.exp(x)))],
    "Swish": [("", lambda x: x / (1 + np.exp(-x))), ("beta: 2", lambda x: x / (1 + np.exp(-2 * x)))],
    "TanH": [("", np.tanh)],
    "Threshold": [("", lambda x: x > 0), ("threshold: 0.5", lambda x: x > 0.5)],
}
