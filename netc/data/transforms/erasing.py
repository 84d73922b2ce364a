"""Random rectangles of images that are erased."""

from collections.abc import Sequence

import numpy as np

from netc.data.transforms.luck import PER_REGION, Luck, region


def erase(images: np.ndarray, probability: float, scale: Sequence[float], ratio: Sequence[float], luck: Luck, first: int) -> None:
    """Set a random rectangle of each image to 0, with a probability. Images in which none of the drawn rectangles fits stay."""
    draws = luck.uniform("random_erasing", PER_REGION + 1, first, len(images))
    for image, u in zip(images, draws, strict=True):
        found = region(u[1:], image.shape[1:], scale, ratio, whole=False) if u[0] < probability else None
        if found is not None:
            top, left, height, width = found
            image[:, top : top + height, left : left + width] = 0
