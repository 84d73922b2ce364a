"""Mixup and cutmix: each training row is mixed with its neighbor.

Rows 2k and 2k + 1 of the stream of training rows are neighbors. The order is random, so a neighbor is a random row, and a batch of even
size needs no other rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from netc import netc_pb2 as pb
from netc.data.source import TopSpec
from netc.data.transforms.checks import MIXES, transformed, uses
from netc.data.transforms.luck import Luck
from netc.errors import DataError

NODES = 1 << 12  # of the table of a beta distribution
ADDED = ("partner", "share")  # tops after an integer label: that of the row mixed in, and the share of the first label


def mixes(param: pb.TransformationParameter, phase: str) -> bool:
    """Whether rows are mixed."""
    return phase == "TRAIN" and bool(uses(param, MIXES))


def mixed_tops(param: pb.TransformationParameter, tops: Sequence[TopSpec]) -> tuple[TopSpec, ...]:
    """The tops that mixing adds: for integer labels, the label of the neighbor and the share of the first one.

    Labels that are numbers are mixed themselves. DataError if the tops of the source cannot be mixed.
    """
    field = uses(param, MIXES)[0]
    if len(tops) > 2:
        raise DataError(f"`{field}` mixes rows and their labels, but the layer has {len(tops)} tops. Use the first two only.", field=field)
    if any(top.mask for top in tops):
        raise DataError(f"`{field}` needs one label for each image, but the labels are masks.", field=field)
    if any(top.batch_axis != 0 for top in tops):
        raise DataError(f"`{field}` needs rows of one size each, not sequences or trees.", field=field)
    if len(tops) < 2 or tops[1].dtype != "int64":
        return ()
    if tops[1].shape not in ((), (1,)):
        shape = "x".join(map(str, tops[1].shape))
        raise DataError(f"`{field}` needs one label for each row, but a label has the shape {shape}.", field=field)
    return tops[1], TopSpec("float32", ())


def tops_after(param: pb.TransformationParameter, phase: str, tops: tuple[TopSpec, ...]) -> tuple[tuple[TopSpec, ...], tuple[str, ...]]:
    """The tops after a transformation, and the names of those that it adds. DataError if they do not fit."""
    first = transformed(param, tops[0])
    others = tuple(replace(top, shape=(*top.shape[:-2], *first.shape[-2:])) if top.mask else top for top in tops[1:])
    more = mixed_tops(param, tops) if mixes(param, phase) else ()
    return (first, *others, *more), ADDED[: len(more)]


@dataclass(frozen=True)
class Mixing:
    """The mixing of a layer's training rows."""

    param: pb.TransformationParameter
    luck: Luck

    def span(self, first: int, count: int) -> tuple[int, int]:
        """The first row and the number of rows that a batch needs: its own, and their neighbors."""
        start, stop = first - first % 2, first + count + (first + count) % 2
        return start, stop - start

    def mix(self, rows: np.ndarray, labels: np.ndarray | None, first: int) -> tuple[np.ndarray, ...]:
        """Mix an even number of float32 rows, of which the first has the even number `first`.

        Returns the rows, and the labels if there are any: numbers are mixed. For integers, the label with the larger share comes first,
        then that of the other row, then the larger share.
        """
        partner = np.arange(len(rows)) ^ 1
        mixed, share = self._rows(rows, partner, self.luck.uniform("mix", 4, first, len(rows)))
        if labels is None:
            return (mixed,)
        if labels.dtype.kind == "f":
            weight = share.reshape(-1, *[1] * (labels.ndim - 1)).astype(labels.dtype)
            return mixed, weight * labels + (1 - weight) * labels[partner]
        own = (share >= 0.5).reshape(-1, *[1] * (labels.ndim - 1))
        first_label, second = np.where(own, labels, labels[partner]), np.where(own, labels[partner], labels)
        return mixed, first_label, second, np.maximum(share, 1 - share).astype(np.float32)

    def _rows(self, rows: np.ndarray, partner: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mixed rows, and the share of each row's own values in them."""
        cut = np.full(len(rows), not self.param.HasField("mixup_alpha"))
        if self.param.HasField("mixup_alpha") and self.param.HasField("cutmix_alpha"):
            cut = u[:, 0] < 0.5
        share = np.empty(len(rows))
        if not cut.all():
            share[~cut] = beta_quantile(self.param.mixup_alpha, u[~cut, 1])
        if cut.any():
            share[cut] = beta_quantile(self.param.cutmix_alpha, u[cut, 1])
        mixed = np.empty_like(rows)
        for k, other in enumerate(partner):
            if cut[k]:
                mixed[k] = rows[k]
                share[k] = paste(mixed[k], rows[other], float(share[k]), float(u[k, 2]), float(u[k, 3]))
            else:
                own = np.float32(share[k])
                np.multiply(rows[k], own, out=mixed[k, ...])
                mixed[k] += (1 - own) * rows[other]
        return mixed, share


def paste(image: np.ndarray, other: np.ndarray, share: float, y: float, x: float) -> float:
    """Replace a rectangle of an image, a part 1 - share of its area around (y, x), by that of another. Returns the share that is left.

    The rectangle has the ratio of the image, and is cut off at its border, as in the paper.
    """
    height, width = int(image.shape[-2]), int(image.shape[-1])
    half, row, column = 0.5 * math.sqrt(1 - share), int(y * height), int(x * width)
    top, bottom = max(0, row - int(half * height)), min(height, row + int(half * height))
    left, right = max(0, column - int(half * width)), min(width, column + int(half * width))
    image[..., top:bottom, left:right] = other[..., top:bottom, left:right]
    return 1 - (bottom - top) * (right - left) / (height * width)


def beta_quantile(alpha: float, u: np.ndarray) -> np.ndarray:
    """The quantiles of Beta(alpha, alpha) at `u`, interpolated in a table: one uniform number gives one share."""
    probability, value = _beta_table(float(alpha))
    low = np.minimum(u, 1 - u)
    found: np.ndarray = np.interp(low, probability, value)
    return np.where(u < 0.5, found, 1 - found)


@lru_cache(maxsize=8)
def _beta_table(alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """The distribution function of Beta(alpha, alpha) at values from 0 to 1/2.

    Below alpha = 1 the density is infinite at 0. In x^alpha it is finite, so the nodes are evenly spread in that.
    """
    power = min(alpha, 1.0)
    even = np.linspace(0, 1, NODES)
    x = 0.5 * even ** (1 / power)
    with np.errstate(divide="ignore"):
        logarithm = (
            (alpha - 1) * np.log(2 * (1 - x)) + (alpha - power) * np.log(2 * x) if alpha > power else (alpha - 1) * np.log(2 * (1 - x))
        )
    density = np.exp(logarithm)
    area = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return area / area[-1] / 2, x
