"""The values that a bottom may contain, if not every number is valid: labels, indices, targets that are probabilities.

A layer's decorator declares them, `reads=labels(...)`. One check (`netc.training.labels`) applies to every source of data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, prod
from typing import Any

import numpy as np

from netc.graph.ir import Value, cast, constant, op
from netc.net.model import Layer

ABOVE_0 = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Domain:
    """The numbers from `low` to `high`, and `ignored`. With `whole`, they must be integers. `why` explains the limits.

    With `nan`, NaN is allowed: a blob that the net computes may be NaN after training diverged, which is reported elsewhere.
    """

    low: float
    high: float
    whole: bool = True
    ignored: int | None = None
    why: str = ""
    nan: bool = False

    def wrong(self, array: np.ndarray) -> np.ndarray:
        """A mask of the elements that are outside the domain."""
        if array.dtype.kind in "iub":
            found = (array < self.low) | (array > self.high)
        else:
            found = ~((array >= self.low) & (array <= self.high))  # also true for NaN
            if self.whole:
                found |= array != np.floor(array)
        if self.nan and array.dtype.kind == "f":
            found &= ~np.isnan(array)
        return found if self.ignored is None or not found.any() else found & (array != self.ignored)

    def outside(self, x: Value) -> Value:
        """(2,) float32: the number of elements outside the domain, and the largest of them."""
        y = cast(x, np.float32)
        inside = op.And(op.GreaterOrEqual(y, constant(np.float32(self.low))), op.LessOrEqual(y, constant(np.float32(self.high))))
        if self.whole and x.dtype.kind == "f":
            inside = op.And(inside, op.Equal(y, op.Floor(y)))
        if self.nan:
            inside = op.Or(inside, op.IsNaN(y))
        if self.ignored is not None:
            inside = op.Or(inside, op.Equal(y, constant(np.float32(self.ignored))))
        count = op.ReduceSum(cast(op.Not(inside), np.float32), keepdims=0)
        largest = op.ReduceMax(op.Where(inside, constant(np.float32(-inf)), y), keepdims=0)
        return op.Concat(op.Unsqueeze(count, [0]), op.Unsqueeze(largest, [0]), axis=0)

    def __str__(self) -> str:
        numbers = "whole numbers" if self.whole else "numbers"
        limits = "" if self.low == -inf else " above 0" if self.low == ABOVE_0 else f" from {self.low:g}"
        limits += "" if self.high == inf else f" to {self.high:.0f}"
        ignored = "" if self.ignored is None else f", or {self.ignored}, which is ignored"
        return f"{numbers}{limits}{ignored}{f' ({self.why})' if self.why else ''}"


@dataclass(frozen=True)
class Reads:
    """The number of the bottom that has a domain, and the function that computes the domain from the layer, its bottoms and its blobs.

    `part` returns the part of the bottom that has the domain.
    """

    bottom: int
    domain: Callable[[Layer, Sequence[Value], Sequence[Value]], Domain | None]
    part: Callable[[Value], Value] = lambda bottom: bottom


def labels(axis: Callable[[Any], int] | None = None, ignored: Callable[[Any], Any] = lambda p: None) -> Reads:
    """The second bottom contains labels: whole numbers below the size of an axis of the first bottom.

    `axis` is a function that takes the layer's message. Without it, all axes but the first are classes. `ignored` returns the message that
    may have an `ignore_label`.
    """

    def domain(layer: Layer, bottoms: Sequence[Value], blobs: Sequence[Value]) -> Domain | None:
        shape = bottoms[0].shape
        sizes = shape[1:] if axis is None else [shape[axis(layer.param)]]
        if not all(isinstance(d, int) for d in sizes):
            return None
        count = prod(map(int, sizes))
        return Domain(0, count - 1, ignored=ignored_label(ignored(layer.param)), why=f"{layer.bottoms[0]} has scores for {count} classes")

    return Reads(1, domain)


def numbers(bottom: int, low: float, high: float, whole: bool = False, ignored: Callable[[Any], Any] = lambda p: None) -> Reads:
    """A bottom contains numbers from `low` to `high`."""
    return Reads(bottom, lambda layer, bottoms, blobs: Domain(low, high, whole, ignored_label(ignored(layer.param))))


def positive(bottom: int, why: str = "") -> Reads:
    """A bottom contains numbers above 0."""
    return Reads(bottom, lambda layer, bottoms, blobs: Domain(ABOVE_0, inf, False, why=why))


def probabilities(needed: Callable[[Sequence[Value]], bool] = lambda bottoms: True) -> Reads:
    """The first bottom contains probabilities, if `needed(bottoms)`. Sums of rounded numbers may be a little above 1."""
    why = "probabilities: read the second top of the loss, or a Softmax or Sigmoid layer, not the scores"
    return Reads(0, lambda layer, bottoms, blobs: Domain(0, 1 + 1e-5, False, why=why, nan=True) if needed(bottoms) else None)


WEIGHTS = numbers(2, 0, inf)  # of the rows: the third bottom of a loss


def ignored_label(message: Any) -> int | None:
    """The `ignore_label` of a message, or None."""
    return int(message.ignore_label) if message is not None and message.HasField("ignore_label") else None
