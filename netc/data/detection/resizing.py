"""Images of any size to inputs of one size, and where the image then is: SSD's resize_param."""

from dataclasses import dataclass

import numpy as np

from netc import netc_pb2 as pb
from netc.data.bilinear import resize
from netc.data.detection.boxes import WHOLE, Region
from netc.errors import DataError

PILLOW: dict[int, str] = {pb.ResizeParameter.AREA: "BOX", pb.ResizeParameter.CUBIC: "BICUBIC", pb.ResizeParameter.LANCZOS4: "LANCZOS"}


@dataclass(frozen=True)
class Resized:
    """An image, and the region of the old image that it shows, which is larger than the old image where it is padded."""

    image: np.ndarray
    region: Region


def resize_of(param: pb.TransformationParameter) -> pb.ResizeParameter | None:
    """How images are resized: `resize_param`, or `resize_height` and `resize_width`; None if they are not."""
    if param.HasField("resize_param"):
        return param.resize_param
    if not (param.resize_height or param.resize_width):
        return None
    return pb.ResizeParameter(height=param.resize_height, width=param.resize_width)


def check_resize(param: pb.ResizeParameter) -> None:
    """DataError for settings without a meaning here."""
    if not (param.height and param.width):
        missing = "height" if not param.height else "width"
        raise DataError(f"Images are resized without a {missing}. Add it in pixels, for example 300.", field="resize_param")
    if param.height_scale or param.width_scale:
        raise DataError("`height_scale` and `width_scale` are not supported. Remove them.", field="height_scale")
    if param.prob != 1:
        raise DataError(f"`prob` of `resize_param` is {param.prob:g}. Images of different sizes need 1.", field="prob")


@dataclass(frozen=True)
class Placed:
    """Where a resized image is: its size, its upper left corner in the result, the size of the result, and the region that this shows."""

    size: tuple[int, int]
    corner: tuple[int, int]
    whole: tuple[int, int]
    region: Region


def placed(param: pb.ResizeParameter, rows: int, columns: int) -> Placed:
    """Where an image of this size is after resizing."""
    height, width = int(param.height), int(param.width)
    wide = columns / rows > width / height  # than the target
    if param.resize_mode == param.WARP:
        return Placed((height, width), (0, 0), (height, width), WHOLE)
    if param.resize_mode == param.FIT_SMALL_SIZE:
        size = (height, int(columns * height / rows)) if wide else (int(rows * width / columns), width)
        return Placed(size, (0, 0), size, WHOLE)
    size = (max(1, int(rows * width / columns)), width) if wide else (height, max(1, int(columns * height / rows)))
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    region = (-left / size[1], -top / size[0], (width - left) / size[1], (height - top) / size[0])
    return Placed(size, (top, left), (height, width), region)


def resized(image: np.ndarray, param: pb.ResizeParameter, u: float | None) -> Resized:
    """Resize an image of bytes (channels, height, width). `u`, a number between 0 and 1, draws one of several `interp_mode`.

    Without `u`, the first one is taken. Without any `interp_mode`, the result is Pillow's bilinear one, as in other data layers.
    """
    modes = list(param.interp_mode)
    mode = modes[0 if u is None else min(int(u * len(modes)), len(modes) - 1)] if modes else None
    place = placed(param, *image.shape[1:])
    small = interpolated(image, *place.size, mode)
    return Resized(small if place.size == place.whole else _padded(small, place.whole, place.corner, param), place.region)


def interpolated(image: np.ndarray, height: int, width: int, mode: int | None) -> np.ndarray:
    """An image of bytes in another size. LINEAR and NEAREST are those of OpenCV; the others are Pillow's."""
    if image.shape[1:] == (height, width):
        return image
    if mode == pb.ResizeParameter.LINEAR:
        return resize(image, height, width)
    if mode == pb.ResizeParameter.NEAREST:
        rows, columns = ((np.arange(n) * (old / n)).astype(int) for n, old in zip((height, width), image.shape[1:], strict=True))
        nearest: np.ndarray = image[:, rows][:, :, columns]
        return nearest
    return _by_pillow(image, height, width, "BILINEAR" if mode is None else PILLOW[mode])


def _by_pillow(image: np.ndarray, height: int, width: int, name: str) -> np.ndarray:
    from PIL import Image

    planes = [Image.fromarray(np.ascontiguousarray(plane)).resize((width, height), Image.Resampling[name]) for plane in image]
    return np.stack([np.asarray(plane) for plane in planes])


def _padded(image: np.ndarray, size: tuple[int, int], at: tuple[int, int], param: pb.ResizeParameter) -> np.ndarray:
    """The image in one of `size`, with its upper left corner at `at`."""
    (top, left), (height, width) = at, image.shape[1:]
    bottom, right = size[0] - top - height, size[1] - left - width
    around = [(0, 0), (top, bottom), (left, right)]
    if param.pad_mode == param.MIRRORED:
        return np.pad(image, around, mode="reflect")
    if param.pad_mode == param.REPEAT_NEAREST:
        return np.pad(image, around, mode="edge")
    out = np.empty((len(image), *size), np.uint8)
    values = np.array(list(param.pad_value) or [0])
    out[...] = np.clip(np.rint(np.broadcast_to(values, len(image))), 0, 255).astype(np.uint8)[:, None, None]
    out[:, top : top + height, left : left + width] = image
    return out
