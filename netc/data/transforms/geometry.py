"""Where the pixels of a transformed image come from: windows, flips, rotation and resizing of one image, (channels, height, width)."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

Border = Literal["constant", "reflect", "edge"]


@dataclass(frozen=True)
class Window:
    """A region of an image, in pixels; how far the image is rotated around its center, and whether it is flipped afterwards."""

    top: int
    left: int
    height: int
    width: int
    degrees: float = 0.0
    mirrored: bool = False
    flipped: bool = False


def bordered(images: np.ndarray, pad: int, border: Border, fill: np.ndarray | None = None) -> np.ndarray:
    """Images with `pad` more pixels on each side. `fill` (channels, 1, 1) is the value of a constant border; None for 0."""
    if border == "constant" and fill is not None:
        height, width = images.shape[-2:]
        filled = np.empty((*images.shape[:-2], height + 2 * pad, width + 2 * pad), np.float32)
        filled[...] = fill
        filled[..., pad : pad + height, pad : pad + width] = images
        return filled
    padded: np.ndarray = np.pad(images, [(0, 0)] * (images.ndim - 2) + [(pad, pad)] * 2, mode=border)
    return padded


def moved(
    image: np.ndarray, window: Window, size: tuple[int, int], border: Border, fill: np.ndarray | None = None, nearest: bool = False
) -> np.ndarray:
    """The window of an image, rotated, resized to (height, width) and flipped.

    Bilinear values are float32; with `nearest`, for masks, each pixel has the value of one pixel of the image. A window that is neither
    rotated nor resized is a view.
    """
    part = image[:, window.top : window.top + window.height, window.left : window.left + window.width]
    if window.degrees:
        part = rotated(image, window, border, fill, nearest)
    if part.shape[1:] != size:
        part = resized(part, size, nearest)
    if window.flipped:
        part = part[:, ::-1]
    return part[:, :, ::-1] if window.mirrored else part


def rotated(image: np.ndarray, window: Window, border: Border, fill: np.ndarray | None = None, nearest: bool = False) -> np.ndarray:
    """The window after a rotation of the image around the window's center, counter-clockwise for positive degrees.

    Pixels beyond the border are `fill`, or follow the border.
    """
    turn = math.radians(window.degrees)
    y, x = np.arange(window.height) - (window.height - 1) / 2, np.arange(window.width) - (window.width - 1) / 2
    down = window.top + (window.height - 1) / 2 + (y * math.cos(turn))[:, None] + (x * math.sin(turn))[None]
    right = window.left + (window.width - 1) / 2 + (x * math.cos(turn))[None] - (y * math.sin(turn))[:, None]
    if border == "constant":
        image, down, right = bordered(image, 1, border, fill), down + 1, right + 1  # the first pixel beyond the border stands for all
    height, width = image.shape[1:]
    flat = np.ascontiguousarray(image).reshape(len(image), -1)

    def pixels(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """The pixels at whole coordinates, (channels, height, width)."""
        place = _within(rows, height, border) * width + _within(columns, width, border)
        found: np.ndarray = flat.take(place, axis=1, mode="clip")
        return found

    if nearest:
        return pixels(np.rint(down), np.rint(right))
    above, before = np.floor(down), np.floor(right)
    v, u = (down - above).astype(np.float32), (right - before).astype(np.float32)
    upper = _between(pixels(above, before), pixels(above, before + 1), u)
    return _between(upper, _between(pixels(above + 1, before), pixels(above + 1, before + 1), u), v)


def resized(image: np.ndarray, size: tuple[int, int], nearest: bool = False) -> np.ndarray:
    """Resize to (height, width), bilinear with antialiasing to float32, as Pillow and torchvision do. `nearest`: the nearest pixels."""
    from PIL import Image

    if nearest:
        rows, columns = (((np.arange(n) + 0.5) * (old / n)).astype(int) for n, old in zip(size, image.shape[1:], strict=True))
        return image[:, rows][:, :, columns]
    out = np.empty((len(image), *size), np.float32)
    for channel, target in zip(image, out, strict=True):
        plane = Image.fromarray(np.ascontiguousarray(channel, np.float32))
        target[...] = np.asarray(plane.resize(size[::-1], Image.Resampling.BILINEAR))
    return out


def _within(numbers: np.ndarray, length: int, border: Border) -> np.ndarray:
    """Whole coordinates moved into the image: to the border, or reflected at it."""
    whole = numbers.astype(np.intp)
    if border != "reflect" or length == 1:
        return np.clip(whole, 0, length - 1)
    period = 2 * (length - 1)
    whole = np.abs(whole) % period
    return np.minimum(whole, period - whole)


def _between(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(1 - share) a + share b, as float32."""
    difference: np.ndarray = np.subtract(b, a, dtype=np.float32)
    difference *= share
    difference += a
    return difference
