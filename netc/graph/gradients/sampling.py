"""Where Resize reads along one axis: for each element of the output, the elements of the input and their weights.

The numbers are float32 and in onnxruntime's order of operations, so that a nearest neighbour is the same one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[Any]]
ONE, HALF = np.float32(1), np.float32(0.5)


@dataclass(frozen=True)
class Axis:
    """One axis of a Resize: `n` elements become `m`. `start` and `end` are its part of the region of interest."""

    n: int
    m: int
    scale: np.float32
    start: np.float32 = np.float32(0)
    end: np.float32 = ONE


@dataclass(frozen=True)
class Rules:
    """The attributes of a Resize."""

    mode: str
    coordinates: str
    nearest: str
    cubic_a: float
    exclude_outside: bool
    antialias: bool = False


def _half_pixel(x: Numbers, a: Axis) -> Numbers:
    return (x + HALF) / a.scale - HALF


def _symmetric(x: Numbers, a: Axis) -> Numbers:
    width = a.scale * np.float32(a.n)
    offset = np.float32(a.n) / np.float32(2) * (ONE - np.float32(a.m) / width)
    return offset + (x + HALF) / a.scale - HALF


def _align_corners(x: Numbers, a: Axis) -> Numbers:
    return x * 0 if a.m == 1 else x * np.float32(a.n - 1) / np.float32(a.m - 1)


def _crop_and_resize(x: Numbers, a: Axis) -> Numbers:
    last = np.float32(a.n - 1)
    if a.m == 1:
        return x * 0 + HALF * (a.start + a.end) * last
    return a.start * last + x * (a.end - a.start) * last / np.float32(a.m - 1)


COORDINATES: dict[str, Callable[[Numbers, Axis], Numbers]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": lambda x, a: x * 0 if a.m == 1 else _half_pixel(x, a),
    "align_corners": _align_corners,
    "asymmetric": lambda x, a: x / a.scale,
    "tf_crop_and_resize": _crop_and_resize,
}
NEAREST: dict[str, Callable[[Numbers], Numbers]] = {
    "round_prefer_floor": lambda x: np.where(x == np.trunc(x) + HALF, np.floor(x), _round(x)),
    "round_prefer_ceil": lambda x: _round(x),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _round(x: Numbers) -> Numbers:
    """The nearest whole number; halves go away from 0."""
    return np.sign(x) * np.floor(np.abs(x) + HALF)


def taps(axis: Axis, rules: Rules) -> tuple[Numbers, Numbers]:
    """The indices (m, taps) of the elements that each element of the output reads, and their weights."""
    x = np.arange(axis.m, dtype=np.float32)
    x = x if axis.scale == 1 else COORDINATES[rules.coordinates](x, axis)
    index, weight = MODES[rules.mode](x, axis, rules)
    if rules.coordinates == "tf_crop_and_resize":
        weight = weight * ((x >= 0) & (x <= axis.n - 1))[:, None]  # outside, the output is a constant
    return index, weight


def _nearest(x: Numbers, axis: Axis, rules: Rules) -> tuple[Numbers, Numbers]:
    index = np.clip(NEAREST[rules.nearest](x).astype(np.int64), 0, axis.n - 1)
    index = np.arange(axis.n) if axis.scale == 1 and axis.m == axis.n else index
    return index[:, None], np.ones((axis.m, 1), np.float32)


def _filtered(x: Numbers, axis: Axis, rules: Rules) -> tuple[Numbers, Numbers]:
    """The elements in reach of a filter. Beyond the border the last element counts, or none. An antialias filter is wider if it shrinks."""
    stretch = max(1.0, 1 / float(axis.scale)) if rules.antialias else 1.0
    reach = FILTERS[rules.mode][0] * stretch
    centre = x.astype(np.float64)[:, None] + 0.5
    first, last = (np.floor(centre + side + 0.5).astype(np.int64) for side in (-reach, reach))
    index = first + np.arange((last - first).max(initial=1))
    weight = FILTERS[rules.mode][1](np.abs(index - centre + 0.5) / stretch, rules.cubic_a) * (index < last)
    if rules.exclude_outside:
        weight = weight * ((index >= 0) & (index < axis.n))
    if rules.exclude_outside or rules.antialias:
        weight = weight / weight.sum(1, keepdims=True)
    return np.clip(index, 0, axis.n - 1), weight


def _triangle(far: Numbers, a: float) -> Numbers:
    result: Numbers = np.maximum(0, 1 - far)
    return result


def _cubic(far: Numbers, a: float) -> Numbers:
    """Keys' cubic convolution (1981)."""
    near = ((a + 2) * far - (a + 3)) * far * far + 1
    return np.where(far < 1, near, np.where(far < 2, ((a * far - 5 * a) * far + 8 * a) * far - 4 * a, 0))


FILTERS: dict[str, tuple[float, Callable[[Numbers, float], Numbers]]] = {"linear": (1, _triangle), "cubic": (2, _cubic)}
MODES: dict[str, Callable[[Numbers, Axis, Rules], tuple[Numbers, Numbers]]] = {
    "nearest": _nearest, "linear": _filtered, "cubic": _filtered,
}  # fmt: skip
