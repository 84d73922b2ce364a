"""Random arrays for kernels."""

import numpy as np

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def positive(*shape):
    return np.abs(normal(*shape))


def uniform(*shape):
    return RNG.random(shape, np.float32)


def ties(*shape):
    return RNG.integers(0, 3, shape).astype(np.float32)
