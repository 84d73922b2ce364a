"""SSD's noise_param: changes of all pixels of an image of bytes, (channels, height, width)."""

import io

import numpy as np

from netc import netc_pb2 as pb
from netc.data.transforms.color import gray
from netc.errors import DataError

PIXELS = 4096  # random numbers that place salt and pepper; an image with more of it repeats them with another offset
NOISE = 1 + 2 * PIXELS
UNKNOWN = ("clahe", "convert_to_hsv", "convert_to_lab")
BLUR, SIGMA = 3, 1.5  # the radius and the deviation of the blur
DIVISOR = 64  # of the colors of `posterize`


def check_noise(param: pb.NoiseParameter) -> None:
    """DataError for changes that netc does not have."""
    used = [name for name in UNKNOWN if getattr(param, name)]
    if used:
        raise DataError(f"`noise_param: {{{used[0]}: true}}` is not supported. Remove it.", field=used[0])


def noisy(image: np.ndarray, param: pb.NoiseParameter, u: np.ndarray) -> np.ndarray:
    """The changed image. `u` are NOISE numbers between 0 and 1; the first decides whether anything changes."""
    if u[0] >= param.prob:
        return image
    if param.decolorize and len(image) == 3:
        image = np.broadcast_to(np.rint(gray(image.astype(np.float32))), image.shape).astype(np.uint8)
    if param.gauss_blur:
        image = blurred(image)
    if param.hist_eq:
        image = equalized(image)
    if param.jpeg > 0:
        image = _compressed(image, int(param.jpeg))
    if param.erode:
        image = eroded(image)
    if param.posterize:
        image = image // DIVISOR * DIVISOR + DIVISOR // 2
    if param.inverse:
        image = 255 - image
    if param.saltpepper:
        image = _salted(image, param.saltpepper_param, u[1:])
    return image


def blurred(image: np.ndarray) -> np.ndarray:
    """The image, smoothed by a Gaussian of seven pixels."""
    weights = np.exp(-(np.arange(-BLUR, BLUR + 1) ** 2) / (2 * SIGMA**2))
    weights /= weights.sum()
    x = image.astype(np.float32)
    for axis in (1, 2):
        around = [(0, 0)] * 3
        around[axis] = (BLUR, BLUR)
        wide, size = np.pad(x, around, mode="reflect" if x.shape[axis] > BLUR else "edge"), x.shape[axis]
        x = sum((w * wide.take(range(k, k + size), axis) for k, w in enumerate(weights.astype(np.float32))), np.zeros_like(x))
    smooth: np.ndarray = np.clip(np.rint(x), 0, 255).astype(np.uint8)
    return smooth


def equalized(image: np.ndarray) -> np.ndarray:
    """The image with an even histogram of brightness. Colors keep their distance from it."""
    light = image[0] if len(image) == 1 else np.rint(gray(image.astype(np.float32))).astype(np.uint8)
    counts = np.bincount(light.reshape(-1), minlength=256)
    below = np.cumsum(counts) - counts[np.flatnonzero(counts)[0]]
    if not below[-1]:
        return image
    even = np.rint(255 * np.maximum(below, 0) / below[-1])[light]
    spread: np.ndarray = np.clip(image + (even - light)[None], 0, 255).astype(np.uint8)
    return spread


def eroded(image: np.ndarray) -> np.ndarray:
    """Each pixel becomes the darkest of the nine around it."""
    wide = np.pad(image, [(0, 0), (1, 1), (1, 1)], mode="edge")
    rows, columns = image.shape[1:]
    dark: np.ndarray = np.minimum.reduce([wide[:, y : y + rows, x : x + columns] for y in range(3) for x in range(3)])
    return dark


def _compressed(image: np.ndarray, quality: int) -> np.ndarray:
    from PIL import Image

    content = io.BytesIO()
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0))
    Image.fromarray(pixels).save(content, "JPEG", quality=min(quality, 100))
    found = np.asarray(Image.open(content))
    return found[None] if found.ndim == 2 else found.transpose(2, 0, 1)


def _salted(image: np.ndarray, param: pb.SaltPepperParameter, u: np.ndarray) -> np.ndarray:
    rows, columns = image.shape[1:]
    count, values = int(param.fraction * rows * columns), np.array(list(param.value) or [0])
    number = np.arange(count)
    turn = (number // PIXELS) * 0.6180339887498949  # further pixels are other places, spread evenly
    places = [((part[number % PIXELS] + turn) % 1 * size).astype(int) for part, size in ((u[:PIXELS], rows), (u[PIXELS:], columns))]
    out = image.copy()
    out[:, places[0], places[1]] = np.broadcast_to(values, len(image)).astype(np.uint8)[:, None]
    return out
