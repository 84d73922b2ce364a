"""Random arrays for rows of gradients, away from places where an op has a kink."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.graph.ir import Value, leaf, symbolic

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Fixed:
    """A function for arrays of known sizes only: the first axis cannot be a batch of any size. `why` says so."""

    function: Callable[..., Any]
    why: str

    def __call__(self, *values: Any) -> Any:
        return self.function(*values)


def batched(call: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose shape ONNX infers only if all sizes are known: with a batch of any size, it is stated."""

    def f(x: Value, *values: Value) -> Any:
        if not symbolic(x):
            return call(x, *values)
        known = call(leaf("Input", x.dtype, (2, *x.shape[1:]), name="x"), *values).shape
        return call(x, *values, shape=(x.shape[0], *known[1:]))

    return f


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def small(*shape: int) -> np.ndarray:
    """Values small enough that tanh does not saturate."""
    return normal(*shape) * np.float32(0.3)


def away(*shape: int) -> np.ndarray:
    """Values at least 0.1 from 0, where many ops have a kink."""
    x = normal(*shape)
    result: np.ndarray = x + np.sign(x) * np.float32(0.1)
    return result


def positive(*shape: int) -> np.ndarray:
    result: np.ndarray = np.abs(normal(*shape)) + np.float32(0.5)
    return result


def inside(*shape: int) -> np.ndarray:
    """Values between -0.7 and 0.7."""
    return RNG.uniform(-0.7, 0.7, shape).astype(np.float32)


def spaced(*shape: int) -> np.ndarray:
    """Distinct values 0.1 apart, shuffled, so that small changes create no ties."""
    return (RNG.permutation(int(np.prod(shape))).reshape(shape) * 0.1 - 1).astype(np.float32)
