"""Resizing as OpenCV's INTER_LINEAR does it: between four pixels, however small the image becomes. Caffe's data layers use it."""

import numpy as np


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image (channels, rows, columns) of uint8 in another size, rounded to uint8 again."""
    if image.shape[1:] == (height, width):
        return image
    (top, bottom, down), (left, right, across) = _weights(image.shape[1], height), _weights(image.shape[2], width)
    rows = image[:, top].astype(np.float32) * (1 - down)[:, None] + image[:, bottom].astype(np.float32) * down[:, None]
    resized: np.ndarray = rows[:, :, left] * (1 - across) + rows[:, :, right] * across
    np.rint(resized, out=resized)
    return resized.astype(np.uint8)


def _weights(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each wanted pixel the two old ones that it lies between, and how far it is on the way from the first to the second."""
    place = np.clip((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0, size - 1)
    first = np.floor(place).astype(int)
    return first, np.minimum(first + 1, size - 1), (place - first).astype(np.float32)
