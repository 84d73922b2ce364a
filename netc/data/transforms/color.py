"""Changes of color of one image: float32, (channels, height, width), values from 0 to 255. The formulas are those of torchvision.

Each function changes the image in place and limits its values. `order` are the numbers of the red, green and blue channel.
"""

from collections.abc import Callable

import numpy as np

TOP = np.float32(255)
GRAY = (0.2989, 0.587, 0.114)  # torchvision's weights of red, green and blue
RGB, BGR = (0, 1, 2), (2, 1, 0)
Order = tuple[int, int, int]


def brighten(image: np.ndarray, factor: float, order: Order = RGB) -> None:
    """Multiply all pixels by a factor."""
    image *= np.float32(factor)
    np.minimum(image, TOP, out=image)


def contrast(image: np.ndarray, factor: float, order: Order = RGB) -> None:
    """Multiply the difference from the mean gray of the image by a factor."""
    mean = (gray(image, order) if len(image) == 3 else image).mean(dtype=np.float64)
    image *= np.float32(factor)
    image += np.float32((1 - factor) * mean)
    np.clip(image, 0, TOP, out=image)


def saturate(image: np.ndarray, factor: float, order: Order = RGB) -> None:
    """Multiply the difference from the gray image by a factor."""
    middle = gray(image, order)
    middle *= np.float32(1 - factor)
    image *= np.float32(factor)
    image += middle
    np.clip(image, 0, TOP, out=image)


def decolor(image: np.ndarray, order: Order = RGB) -> None:
    """Make the image gray. It keeps its channels."""
    image[...] = gray(image, order)


def gray(image: np.ndarray, order: Order = RGB) -> np.ndarray:
    """The gray values of an image of three channels, (height, width)."""
    red, green, blue = (image[k] for k in order)
    found: np.ndarray = red * np.float32(GRAY[0])
    found += green * np.float32(GRAY[1])
    found += blue * np.float32(GRAY[2])
    return found


def shift_hue(image: np.ndarray, share: float, order: Order = RGB) -> None:
    """Turn the hue by a share of the color circle. Lightness and saturation stay.

    With the hue h in sixths of the circle, a channel is max - (max - min) * clip(min(k, 4 - k), 0, 1), where k = (n + h) mod 6 and n is 5
    for red, 3 for green and 1 for blue.
    """
    red, green, blue = (image[k] for k in order)
    high = np.maximum(np.maximum(red, green), blue)
    spread = high - np.minimum(np.minimum(red, green), blue)
    is_red, is_green = red == high, green == high
    hue = np.where(is_red, green - blue, np.where(is_green, blue - red, red - green))
    hue /= np.where(spread == 0, np.float32(1), spread)
    hue += np.where(is_red, np.float32(0), np.where(is_green, np.float32(2), np.float32(4)))
    hue += np.float32(6 * share)
    for channel, n in zip((red, green, blue), (5, 3, 1), strict=True):
        k = hue + np.float32(n)
        k -= 6 * np.floor(k / 6)
        np.minimum(k, 4 - k, out=k)
        np.clip(k, 0, 1, out=k)
        k *= spread
        np.subtract(high, k, out=channel)
    np.clip(image, 0, TOP, out=image)


# By the field of `color_jitter`: the function, and the value that changes nothing. They are applied in this order.
JITTER: dict[str, tuple[Callable[[np.ndarray, float, Order], None], float]] = {
    "brightness": (brighten, 1.0),
    "contrast": (contrast, 1.0),
    "saturation": (saturate, 1.0),
    "hue": (shift_hue, 0.0),
}
