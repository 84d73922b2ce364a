"""Boxes: their overlap, and how predicted boxes relate to prior boxes. Formulas of SSD's bbox_util.cpp (Liu et al. 2016)."""

from dataclasses import dataclass

import numpy as np

from netc import netc_pb2 as pb
from netc.graph.ir import Value, cast, constant, op, stop
from netc.layers.context import Context, dims
from netc.layers.shape import merged, reshape

CORNER, CENTER_SIZE = pb.PriorBoxParameter.CORNER, pb.PriorBoxParameter.CENTER_SIZE
TINY = float(np.finfo(np.float32).tiny)
Corners = tuple[Value, Value, Value, Value]  # xmin, ymin, xmax, ymax


@dataclass(frozen=True)
class Priors:
    """The boxes (count, 4) of a PriorBox, and what their variances (count, 4) are. `code` is a CodeType.

    With `encoded`, predictions are not multiplied by the variances.
    """

    boxes: Value
    variances: Value
    code: int
    encoded: bool

    @classmethod
    def of(cls, ctx: Context, x: Value, code: int, encoded: bool, bottom: int = 2) -> "Priors":
        """The priors of a bottom (1, 2, 4 x count)."""
        count = merged(x.shape[2:])
        if x.rank < 3 or x.shape[:2] != (1, 2) or not isinstance(count, int) or count % 4:
            text = f"{ctx.layer.bottoms[bottom]} is {dims(x.shape)}. Expected 1 x 2 x (4 numbers for each prior box), as PriorBox makes it."
            raise ctx.shape_error(text, "bottom", bottom)
        parts = op.Split(op.Reshape(stop(x), [2, count // 4, 4]), num_outputs=2, axis=0, outputs=2)
        boxes, variances = (op.Squeeze(part, [0]) for part in parts)
        return cls(boxes, variances, code, encoded)

    @property
    def count(self) -> int:
        return int(self.boxes.shape[0])

    def encode(self, boxes: Value) -> Value:
        """What predicts `boxes` (..., count, 4)."""
        (low, high), (prior_low, prior_high) = halves(boxes), halves(self.boxes)
        first, second = low - prior_low, high - prior_high
        size = prior_high - prior_low
        if self.code == CENTER_SIZE:
            first = ((low + high) * 0.5 - (prior_low + prior_high) * 0.5) / size
            second = op.Log((high - low) / size)
        elif self.code != CORNER:
            first, second = first / size, second / size
        both = op.Concat(first, second, axis=-1)
        return both if self.encoded else both / self.variances

    def decode(self, predicted: Value) -> Value:
        """The boxes that `predicted` (..., count, 4) stands for."""
        first, second = halves(predicted if self.encoded else self.variances * predicted)
        low, high = halves(self.boxes)
        size = high - low
        if self.code == CENTER_SIZE:
            center, half = first * size + (low + high) * 0.5, op.Exp(second) * size * 0.5
            return op.Concat(center - half, center + half, axis=-1)
        if self.code != CORNER:
            first, second = first * size, second * size
        return op.Concat(low + first, high + second, axis=-1)


def halves(boxes: Value) -> tuple[Value, Value]:
    """The lower corners (..., 2) and the upper corners."""
    low, high = op.Split(boxes, num_outputs=2, axis=-1, outputs=2)
    return low, high


def corners(boxes: Value) -> Corners:
    """The four coordinates (...) of boxes (..., 4)."""
    xmin, ymin, xmax, ymax = (op.Squeeze(part, [-1]) for part in op.Split(boxes, num_outputs=4, axis=-1, outputs=4))
    return xmin, ymin, xmax, ymax


def overlaps(a: Corners, b: Corners) -> Value:
    """The area of the intersection divided by that of the union. The coordinates broadcast. 0 for a box without an area."""
    width, height = (op.Relu(op.Min(a[k + 2], b[k + 2]) - op.Max(a[k], b[k])) for k in (0, 1))
    both = width * height
    some = _area(a) + _area(b) - both
    return op.Where(both > 0.0, both / op.Max(some, TINY), constant(0.0))


def _area(box: Corners) -> Value:
    return op.Relu(box[2] - box[0]) * op.Relu(box[3] - box[1])


def per_prior(ctx: Context, x: Value, priors: int, classes: int, numbers: int, bottom: int) -> Value:
    """A bottom as (N, priors, classes, numbers)."""
    found = merged(x.shape[1:])
    if found != priors * classes * numbers:
        each = f"{classes} x {numbers}" if classes > 1 else f"{numbers}"
        text = f"{ctx.layer.bottoms[bottom]} is {dims(x.shape)}, {found} numbers for each image. Expected {priors * classes * numbers}: "
        raise ctx.shape_error(f"{text}{each} for each of {priors} prior boxes of {ctx.layer.bottoms[2]}.", "bottom", bottom)
    return reshape(x, [x.shape[0], priors, classes, numbers])


def numbers_of(x: Value) -> Value:
    """0, 1, 2, ... for the first axis, as float32."""
    n = x.shape[0]
    if isinstance(n, int):
        return constant(np.arange(n, dtype=np.float32))
    size = op.Squeeze(op.Shape(x, start=0, end=1), [0])
    return cast(op.Range(constant(0), size, constant(1), shape=(n,)), np.float32)
