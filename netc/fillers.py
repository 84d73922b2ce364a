"""Fillers: the start values of a blob (Caffe's filler.hpp). One function each: (shape, parameters, draw) -> float32 array.

`draw` gives uniform [0, 1) and standard normal numbers that depend only on the seed and the blob's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod, sqrt

import numpy as np

from netc import netc_pb2 as pb
from netc import random
from netc.errors import SpecError
from netc.registry import filler

Filler = Callable[[tuple[int, ...], pb.FillerParameter, "Draw"], np.ndarray]


@dataclass(frozen=True)
class Draw:
    """The random numbers of one blob."""

    seed: int
    name: str

    def uniform(self, shape: tuple[int, ...], stream: int = 0) -> np.ndarray:
        return random.uniform(self.seed, self.name, shape, iteration=stream)

    def normal(self, shape: tuple[int, ...], stream: int = 0) -> np.ndarray:
        return random.normal(self.seed, self.name, shape, iteration=stream)


@dataclass(frozen=True)
class Zeros:
    """Start values of zero, which need no file: those of slots and carried states."""

    shape: tuple[int | str, ...]

    def __call__(self) -> np.ndarray:
        return np.zeros(tuple(map(int, self.shape)), np.float32)


def fill(shape: tuple[int, ...], parameters: pb.FillerParameter, seed: int, name: str) -> np.ndarray:
    """Return the start values of blob `name`: float32 of `shape`. SpecError for an unknown type or a wrong combination."""
    check(shape, parameters)
    made: Filler = filler.find(parameters.type)
    return made(shape, parameters, Draw(seed, name)).astype(np.float32)


def check(shape: tuple[int, ...], parameters: pb.FillerParameter) -> None:
    """Raise a SpecError for an unknown type, or for one that cannot fill a blob of `shape`.

    `square` in a decorator restricts a filler to square 4-D blobs.
    """
    filler.find(parameters.type)
    if parameters.sparse >= 0 and parameters.type != "gaussian":
        raise SpecError(f"filler {parameters.type!r} cannot be sparse; only gaussian can")
    if filler.records[parameters.type].get("square") and (len(shape) != 4 or shape[2] != shape[3]):
        raise SpecError(f"filler {parameters.type!r} needs a square 4-D blob, not {'x'.join(map(str, shape)) or 'a scalar'}")


def _rows(shape: tuple[int, ...]) -> int:
    return shape[0] if shape else 1


def _fan(shape: tuple[int, ...], parameters: pb.FillerParameter) -> float:
    """The number of inputs or outputs of a unit, or their mean. As in Caffe, blob axes 0 and 1 give them, whatever these axes mean."""
    fan_in = prod(shape) / _rows(shape)
    fan_out = prod(shape) / shape[1] if len(shape) > 1 else prod(shape)
    kinds = {pb.FillerParameter.FAN_IN: fan_in, pb.FillerParameter.FAN_OUT: fan_out, pb.FillerParameter.AVERAGE: (fan_in + fan_out) / 2}
    return kinds[parameters.variance_norm]


@filler("constant")
def constant(shape: tuple[int, ...], parameters: pb.FillerParameter, draw: Draw) -> np.ndarray:
    """Sets all values to `value`."""
    return np.full(shape, parameters.value)


@filler("uniform")
def uniform(shape: tuple[int, ...], parameters: pb.FillerParameter, draw: Draw) -> np.ndarray:
    """Uniform between `min` and `max`."""
    return parameters.min + (parameters.max - parameters.min) * draw.uniform(shape)


@filler("gaussian")
def gaussian(shape: tuple[int, ...], parameters: pb.FillerParameter, draw: Draw) -> np.ndarray:
    """Normal with `mean` and `std`. `sparse` is the number of nonzero inputs per unit, on average; the others are 0."""
    values = parameters.mean + parameters.std * draw.normal(shape)
    return values * (draw.uniform(shape, 1) < parameters.sparse / _rows(shape)) if parameters.sparse >= 0 else values


@filler("positive_unitball")
def positive_unitball(shape: tuple[int, ...], parameters: pb.FillerParameter, draw: Draw) -> np.ndarray:
    """Uniform, then each row divided by its sum."""
    values = draw.uniform(shape).reshape(_rows(shape), -1)
    return np.reshape(values / values.sum(1, keepdims=True), shape)


@filler("xavier")
def xavier(shape: tuple[int, ...], parameters: pb.FillerParameter, draw: Draw) -> np.ndarray:
    """Uniform with variance 1 / fan (Glorot and Bengio 2010). The fan is the fan-in unless variance_norm is set."""
    return sqrt(3 / _fan(shape, parameters)) * (2 * draw.uniform(shape) - 1)


@filler("msra")
def msra(shape: tuple[int, ...], parameters: pb.FillerParameter, draw: Draw) -> np.ndarray:
    """Normal with variance 2 / fan (He et al. 2015)."""
    return sqrt(2 / _fan(shape, parameters)) * draw.normal(shape)


@filler("signs")
def signs(shape: tuple[int, ...], parameters: pb.FillerParameter, draw: Draw) -> np.ndarray:
    """1 or -1, each with probability 1/2."""
    return np.where(draw.uniform(shape) < 0.5, -1.0, 1.0)


@filler("bilinear", square=True)
def bilinear(shape: tuple[int, ...], parameters: pb.FillerParameter, draw: Draw) -> np.ndarray:
    """Bilinear interpolation, for a Deconvolution that upsamples (Long et al. 2015). It needs square 4-D blobs."""
    factor = ceil(shape[3] / 2)
    centre = (shape[3] - 1) / (2 * factor)
    line = 1 - np.abs(np.arange(shape[3]) / factor - centre)
    return np.broadcast_to(np.outer(line, line), shape)
