"""Arrays as PNG images inside a page: grids of images, and weights in two colours."""

import base64
import io
from math import ceil, sqrt

import numpy as np
from markupsafe import Markup

GAP = 1
NEGATIVE, ZERO, POSITIVE = np.array([[196, 60, 50], [250, 250, 248], [36, 96, 176]], np.float32)


def grid(images: np.ndarray, columns: int = 0) -> np.ndarray:
    """Arrange images (count, height, width, 3) in a grid, row by row. Without `columns` the grid is square."""
    count, height, width, _ = images.shape
    columns = min(columns or ceil(sqrt(count)), count)
    rows = ceil(count / columns)
    sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 128, np.uint8)
    for k, image in enumerate(images):
        y, x = k // columns * (height + GAP), k % columns * (width + GAP)
        sheet[y : y + height, x : x + width] = image
    return sheet


def shown(images: np.ndarray, low: float, high: float) -> np.ndarray:
    """Convert arrays (count, 1 or 3, height, width) to images, from black at `low` to white at `high`."""
    scaled = np.clip((images - low) / (high - low or 1), 0, 1) * 255
    return np.broadcast_to(np.moveaxis(scaled, 1, -1), (*images.shape[:1], *images.shape[2:], 3)).round().astype(np.uint8)


def small(pictures: np.ndarray, most: int = 128) -> np.ndarray:
    """Reduce images (count, height, width, 3) to at most `most` pixels per side by dropping pixels at even steps."""
    step = ceil(max(pictures.shape[1:3]) / most)
    return pictures[:, ::step, ::step]


def signed(weights: np.ndarray) -> np.ndarray:
    """Colour weights (count, height, width), each scaled by its largest: red below zero, white at zero, blue above."""
    most = np.abs(weights).max((1, 2), keepdims=True)
    share = (weights / np.where(most > 0, most, 1))[..., None]
    colours: np.ndarray = ZERO + np.where(share < 0, -share * (NEGATIVE - ZERO), share * (POSITIVE - ZERO))
    return colours.round().astype(np.uint8)


def png(picture: np.ndarray) -> bytes:
    """Encode an image (height, width, 3) as PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def jpeg(picture: np.ndarray) -> bytes:
    """Encode a photograph (height, width, 3) as JPEG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def image(picture: np.ndarray, text: str, scale: int = 1, size: tuple[int, int] | None = None, sharp: bool = True) -> Markup:
    """An <img> element with pixels of `scale` size, or of the given width and height. `text` describes the image for screen readers.

    Without `sharp`, the browser smooths the pixels, and they are encoded as JPEG.
    """
    kind, content = ("png", png(picture)) if sharp else ("jpeg", jpeg(picture))
    data = base64.b64encode(content).decode()
    height, width = picture.shape[:2]
    form = '<img{} alt="{}" width="{}" height="{}" src="data:image/{};base64,{}">'
    return Markup(form).format(Markup(' class="pixels"' if sharp else ""), text, *(size or (width * scale, height * scale)), kind, data)
