"""Random arrays for kernels."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def positive(*shape: int) -> Array:
    return np.abs(normal(*shape))


def uniform(*shape: int) -> Array:
    return RNG.random(shape, np.float32)


def ties(*shape: int) -> Array:
    return RNG.integers(0, 3, shape).astype(np.float32)
