"""Resize images as OpenCV's INTER_LINEAR does.

Each new pixel is interpolated from four old ones, however small the image becomes. Caffe's data layers use this method.
"""

import numpy as np


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize an image (channels, rows, columns) of uint8. Returns uint8."""
    if image.shape[1:] == (height, width):
        return image
    (top, bottom, down), (left, right, across) = _weights(image.shape[1], height), _weights(image.shape[2], width)
    rows = image[:, top].astype(np.float32) * (1 - down)[:, None] + image[:, bottom].astype(np.float32) * down[:, None]
    resized: np.ndarray = rows[:, :, left] * (1 - across) + rows[:, :, right] * across
    np.rint(resized, out=resized)
    return resized.astype(np.uint8)


def _weights(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel: the two old pixels on either side of it, and the weight of the second."""
    place = np.clip((np.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0, size - 1)
    first = np.floor(place).astype(int)
    return first, np.minimum(first + 1, size - 1), (place - first).astype(np.float32)
