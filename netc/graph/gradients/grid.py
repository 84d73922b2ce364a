"""Gradients of GridSample and AffineGrid.

GridSample is written as a sum of products of simpler ops, whose own rules give the gradients with respect to the image and to the grid.
"""

from collections.abc import Callable
from functools import reduce
from itertools import product

import numpy as np

from netc.graph.autodiff import grad
from netc.graph.gradients.common import Gradients, numbers, sizes, text
from netc.graph.ir import Node, Value, cast, constant, op
from netc.registry import gradient

Taps = list[tuple[Value, Value]]  # whole numbers as floats, and weights
CUBIC_A = -0.75


@gradient("GridSample")
def grid_sample(node: Node, dy: Value) -> Gradients:
    x, grid = node.operands
    found = grad({_sampled(node, x, grid): dy}, [x, grid])
    return found[0], found[1]


def _sampled(node: Node, x: Value, grid: Value) -> Value:
    """GridSample: the weighted sum of the elements around each place, in all combinations of the axes."""
    spatial = sizes(x, range(2, x.rank), node)
    mode, padding = text(node, "mode", "linear"), text(node, "padding_mode", "zeros")
    align = bool(node.attrs.get("align_corners", 0))
    image = op.Transpose(x, perm=[0, *range(2, x.rank), 1])
    axes: list[Taps] = []
    for k, n in enumerate(spatial):
        place = op.Gather(grid, constant(len(spatial) - 1 - k), axis=-1)  # the grid names the last axis first
        scale, shift = ((n - 1) / 2, (n - 1) / 2) if align else (n / 2, (n - 1) / 2)
        axes.append([PADDINGS[padding](index, weight, n, align) for index, weight in TAPS[mode](place * scale + shift)])
    parts = [_part(image, list(taps)) for taps in product(*axes)]
    y = parts[0] if len(parts) == 1 else op.Sum(*parts)
    return op.Transpose(y, perm=[0, x.rank - 1, *range(1, x.rank - 1)])


def _part(image: Value, taps: Taps) -> Value:
    index = op.Concat(*(cast(op.Unsqueeze(i, [-1]), np.int64) for i, _ in taps), axis=-1)
    weight = reduce(lambda a, b: a * b, (w for _, w in taps))
    return op.GatherND(image, index, batch_dims=1) * op.Unsqueeze(weight, [-1])


def _nearest(place: Value) -> Taps:
    index = op.Round(place)
    return [(index, index * 0.0 + 1.0)]


def _linear(place: Value) -> Taps:
    first = op.Floor(place)
    share = place - first
    return [(first, 1.0 - share), (first + 1.0, share)]


def _cubic(place: Value) -> Taps:
    """Keys' cubic convolution (1981)."""
    first, a = op.Floor(place), CUBIC_A
    share = place - first
    found = []
    for k in range(-1, 3):
        far = share + 1.0 if k == -1 else share if k == 0 else float(k) - share
        near = (far * (a + 2) - (a + 3)) * far * far + 1.0
        wide = ((far * a - 5 * a) * far + 8 * a) * far - 4 * a
        found.append((first + float(k), near if k in (0, 1) else wide))
    return found


TAPS: dict[str, Callable[[Value], Taps]] = {"nearest": _nearest, "linear": _linear, "cubic": _cubic}


def _zeros(index: Value, weight: Value, n: int, align: bool) -> tuple[Value, Value]:
    """Elements beyond the image count as 0."""
    inside = op.And(op.GreaterOrEqual(index, constant(0, index.dtype)), op.LessOrEqual(index, constant(n - 1, index.dtype)))
    return op.Clip(index, 0.0, float(n - 1)), weight * cast(inside, weight.dtype)


def _border(index: Value, weight: Value, n: int, align: bool) -> tuple[Value, Value]:
    return op.Clip(index, 0.0, float(n - 1)), weight


def _reflection(index: Value, weight: Value, n: int, align: bool) -> tuple[Value, Value]:
    """Reflected at the centre of the last element, or at its edge if corners are not aligned."""
    if align:
        period = max(1.0, 2.0 * (n - 1))
        within = op.Mod(op.Abs(index), period, fmod=1)
        return op.Clip(op.Min(within, period - within), 0.0, float(n - 1)), weight
    within = op.Mod(op.Abs(index + 0.5) - 0.5, 2.0 * n, fmod=1)
    return op.Min(within, 2.0 * n - 1.0 - within), weight


PADDINGS: dict[str, Callable[[Value, Value, int, bool], tuple[Value, Value]]] = {
    "zeros": _zeros, "border": _border, "reflection": _reflection,
}  # fmt: skip


@gradient("AffineGrid")
def affine_grid(node: Node, dy: Value) -> Gradients:
    """The grid is a product of the places of all pixels and the matrix of each image."""
    theta, size = node.operands[0], numbers(node, 1, "sizes") or []
    align, spatial = node.attrs.get("align_corners", 0), size[2:]
    steps = [np.linspace(-1, 1, n) if align else (np.arange(n) * 2 + 1) / n - 1 for n in spatial]
    places = [v.reshape(-1) for v in np.meshgrid(*steps, indexing="ij")][::-1]
    pixels = np.stack([*places, np.ones_like(places[0])]).astype(dy.dtype)
    rows = op.Reshape(dy, [-1, pixels.shape[1], len(spatial)], shape=(theta.shape[0], pixels.shape[1], len(spatial)))
    return op.Transpose(op.MatMul(constant(pixels), rows), perm=[0, 2, 1]), None
