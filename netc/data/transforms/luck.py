"""Random numbers of training rows: each row has its own blocks of a stream, so its numbers do not depend on its batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netc.random import HALVES_PER_BLOCK, integers, uniform

ATTEMPTS = 10  # to find a region of the drawn area and ratio, as in torchvision
PER_REGION = 4 * ATTEMPTS


@dataclass(frozen=True)
class Luck:
    """The random numbers of a data layer, by the names of the fields that use them."""

    seed: int
    layer: str

    def uniform(self, field: str, numbers: int, first: int, count: int) -> np.ndarray:
        """(count, numbers) numbers in (0, 1) for rows from number `first` on."""
        blocks = -(-numbers // HALVES_PER_BLOCK)
        shape = count, blocks * HALVES_PER_BLOCK
        return uniform(self.seed, f"{self.layer}/{field}", shape, first=first * blocks)[:, :numbers].astype(np.float64)

    def halves(self, first: int, count: int) -> np.ndarray:
        """(count, 8) integers below 2**32 for the crop and the mirroring of rows from number `first` on."""
        return integers(self.seed, f"{self.layer}/transform", 2**32, (count, HALVES_PER_BLOCK), first=first)


def between(u: float, low: float, high: float) -> float:
    """A number from `low` to `high`."""
    return low + (high - low) * u


def region(
    u: np.ndarray, size: tuple[int, int], scale: Sequence[float], ratio: Sequence[float], whole: bool
) -> tuple[int, int, int, int] | None:
    """A region (top, left, height, width) whose area is a share `scale` of the image, with a `ratio` of width to height.

    Area and logarithm of the ratio are uniform. None if no attempt fits into the image. With `whole`, a side may be as long as the image.
    """
    height, width = size
    for area, aspect, y, x in u.reshape(ATTEMPTS, 4).tolist():
        pixels = height * width * between(area, scale[0], scale[1])
        wide = math.exp(between(aspect, math.log(ratio[0]), math.log(ratio[1])))
        w, h = round(math.sqrt(pixels * wide)), round(math.sqrt(pixels / wide))
        if 0 < w < width + whole and 0 < h < height + whole:
            return int(y * (height - h + 1)), int(x * (width - w + 1)), h, w
    return None


def central(size: tuple[int, int], ratio: Sequence[float]) -> tuple[int, int, int, int]:
    """The largest central region whose ratio of width to height is within `ratio`."""
    height, width = size
    h, w = height, width
    if width / height < ratio[0]:
        h = max(1, min(height, round(width / ratio[0])))
    elif width / height > ratio[1]:
        w = max(1, min(width, round(height * ratio[1])))
    return (height - h) // 2, (width - w) // 2, h, w
