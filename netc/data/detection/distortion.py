"""SSD's random changes of color, and images placed in larger ones. Images are (channels, height, width)."""

import numpy as np

from netc import netc_pb2 as pb
from netc.data.detection.boxes import Region
from netc.data.transforms.color import Order, shift_hue
from netc.data.transforms.luck import between

DISTORTION, EXPANSION = 11, 4  # random numbers
ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
CIRCLE = 180  # of a hue, as OpenCV counts it in bytes


def distorted(image: np.ndarray, param: pb.DistortionParameter, u: np.ndarray, order: Order) -> np.ndarray:
    """An image of bytes with other colors, uint8. Brightness is added, contrast multiplies, hue and saturation are those of HSV.

    `u` are DISTORTION numbers between 0 and 1, and `order` the numbers of the red, green and blue channel.
    """
    first, bright, brighter, more, contrast, hue, turn, full, fuller, shuffle, which = u.tolist()
    x = image.astype(np.float32)
    if bright < param.brightness_prob:
        x = _rounded(x + np.float32(between(brighter, -param.brightness_delta, param.brightness_delta)))
    if first > 0.5:
        x = _contrast(x, param, more, contrast)
    if len(x) == len(order):
        if full < param.saturation_prob:
            x = saturated(x, between(fuller, param.saturation_lower, param.saturation_upper))
        if hue < param.hue_prob:
            shift_hue(x, between(turn, -param.hue_delta, param.hue_delta) / CIRCLE, order)
            x = _rounded(x)
    if first <= 0.5:
        x = _contrast(x, param, more, contrast)
    if shuffle < param.random_order_prob and len(x) == len(order):
        x = x[list(ORDERS[min(int(which * len(ORDERS)), len(ORDERS) - 1)])]
    return x.astype(np.uint8)


def _contrast(x: np.ndarray, param: pb.DistortionParameter, chance: float, amount: float) -> np.ndarray:
    if chance >= param.contrast_prob:
        return x
    return _rounded(x * np.float32(between(amount, param.contrast_lower, param.contrast_upper)))


def saturated(x: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the saturation of HSV: the distance of each channel from the largest one. It is at most that of a pure color."""
    high, low = x.max(0), x.min(0)
    spread = high - low
    limit = np.where(spread > 0, high / np.where(spread > 0, spread, 1), np.float32(1))
    return _rounded(high - (high - x) * np.minimum(np.float32(factor), limit))


def _rounded(x: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(x), 0, 255)
    return rounded


def expanded(image: np.ndarray, param: pb.ExpansionParameter, u: np.ndarray, fill: np.ndarray) -> tuple[np.ndarray, Region] | None:
    """The image in a larger one of the color `fill` (channels,), and the region of the old image that the new one shows.

    None if the image stays as it is. `u` are EXPANSION numbers between 0 and 1.
    """
    chance, ratio, down, right = u.tolist()
    if chance >= param.prob or param.max_expand_ratio <= 1:
        return None
    channels, height, width = image.shape
    factor = between(ratio, 1, param.max_expand_ratio)
    new = int(height * factor), int(width * factor)
    top, left = int(down * (new[0] - height + 1)), int(right * (new[1] - width + 1))
    larger = np.empty((channels, *new), np.uint8)
    larger[...] = np.clip(np.rint(fill), 0, 255).astype(np.uint8)[:, None, None]
    larger[:, top : top + height, left : left + width] = image
    return larger, (-left / width, -top / height, (new[1] - left) / width, (new[0] - top) / height)
