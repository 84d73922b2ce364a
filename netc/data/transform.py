"""TransformationParameter on batches: pad, crop, mirror, then (pixel - mean) * scale / std_value, in this order.

In TRAIN, images are padded, a crop is random, and a row is mirrored with probability 1/2. In TEST, nothing is padded, a crop is central
and nothing is mirrored; Caffe mirrors in TEST as well. The crop and the mirroring of training row r depend only on (seed, layer name, r).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from netc import netc_pb2 as pb
from netc.data.source import Request, TopSpec
from netc.errors import DataError
from netc.files import open_plain, read_file
from netc.random import HALVES_PER_BLOCK, integers

Transform = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Normalisation:
    """(x - mean) * factor. Both broadcast against a row before cropping. `mean` is None if it is 0."""

    mean: np.ndarray | None
    factor: np.ndarray


def normalisation(
    param: pb.TransformationParameter, shape: tuple[int, ...], base: Path = Path("."), cropped: bool = False
) -> Normalisation:
    """The normalisation in `param` (mean_file, mean_value, scale and std_value) for rows of `shape`, channels-first.

    `cropped`: `shape` is the shape after a central crop, and mean_file is cropped in the same way.
    """
    if param.mean_file and param.mean_value:
        raise DataError("transform_param has both `mean_file` and `mean_value`. Remove one of them.", field="mean_file")
    if 0 in param.std_value:
        raise DataError("`std_value` is 0. Expected a number above 0.", field="std_value")
    mean = _channels("mean_value", param.mean_value, shape)
    if param.mean_file:
        mean = _mean_file(base / param.mean_file, shape, cropped)
    deviation = _channels("std_value", param.std_value, shape)
    scale = np.float32(param.scale)
    return Normalisation(mean, np.asarray(scale if deviation is None else scale / deviation, np.float32))


def transformed(param: pb.TransformationParameter, top: TopSpec) -> TopSpec:
    """The top after the transformation `param`. DataError if they do not fit."""
    if top.dtype != "float32" and param.ByteSize():
        raise DataError(f"transform_param needs float32 values, but the first top is {top.dtype}.")
    size = param.resize_height, param.resize_width
    if any(size) and top.shape[1:] != size:
        text = f"`resize_height` and `resize_width` are for image files. The rows of this source have the shape {top.shape}."
        raise DataError(text, field="resize_height")
    moves = next((field for field in ("crop_size", "mirror", "pad") if getattr(param, field)), None)
    if moves is None:
        return top
    if len(top.shape) != 3:
        text = f"`crop_size`, `mirror` and `pad` need images (channels, height, width), but a row has the shape {top.shape}."
        raise DataError(text, field=moves)
    channels, height, width = top.sizes
    if param.crop_size > min(height, width):
        raise DataError(f"`crop_size` is {param.crop_size}, larger than the images, which are {height}x{width}.", field="crop_size")
    cropped = param.crop_size or height, param.crop_size or width
    if param.pad >= min(cropped):
        sides = f"{cropped[0]}x{cropped[1]}"
        raise DataError(f"`pad` is {param.pad}. Expected less than the side of the crop, which is {sides}.", field="pad")
    return TopSpec(top.dtype, (channels, *cropped))


def transform(request: Request, top: TopSpec) -> Transform:
    """(stored rows, number of the first row in the stream) -> float32 rows. `top` describes the rows."""
    param, after = request.layer.transform_param, transformed(request.layer.transform_param, top)
    if top.dtype == "int64":
        return lambda rows, first: rows.astype(np.int64)
    cropped = after.sizes
    norm, training = normalisation(param, top.sizes, request.base), request.phase == "TRAIN"
    moves = (training and (param.mirror or param.pad)) or cropped != top.sizes

    def apply(rows: np.ndarray, first: int) -> np.ndarray:
        mean = norm.mean
        if training and param.pad:
            rows, mean = _padded(param, rows, mean)
        if moves:
            rows, mean = _crop_and_mirror(request, rows, mean, first, cropped)
        with np.errstate(over="ignore"):  # values beyond float32 become infinite; later checks report them
            if mean is None:
                scaled: np.ndarray = np.multiply(rows, norm.factor, dtype=np.float32, casting="unsafe")
                return scaled
            centred: np.ndarray = np.subtract(rows, mean, dtype=np.float32, casting="unsafe")
            np.multiply(centred, norm.factor, out=centred)
            return centred

    return apply


def _padded(param: pb.TransformationParameter, rows: np.ndarray, mean: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows and their mean with `pad` more pixels on each side."""
    if param.pad_mode != param.CONSTANT:
        mode: Literal["reflect", "edge"] = "reflect" if param.pad_mode == param.REFLECT else "edge"
        return _bordered(param, rows, mode), mean if mean is None or mean.size == len(mean) else _bordered(param, mean, mode)
    if mean is None or mean.size > len(mean):
        return _bordered(param, rows, "constant"), None if mean is None else _bordered(param, mean, "constant")
    channels, height, width = rows.shape[1:]
    filled = np.empty((len(rows), channels, height + 2 * param.pad, width + 2 * param.pad), np.float32)
    filled[...] = mean  # 0 after normalisation
    filled[..., param.pad : -param.pad, param.pad : -param.pad] = rows
    return filled, mean


def _bordered(param: pb.TransformationParameter, images: np.ndarray, mode: Literal["constant", "reflect", "edge"]) -> np.ndarray:
    sides = [(0, 0)] * (images.ndim - 2) + [(param.pad, param.pad)] * 2
    padded: np.ndarray = np.pad(images, sides, mode=mode)
    return padded


def _crop_and_mirror(
    request: Request, rows: np.ndarray, mean: np.ndarray | None, first: int, cropped: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray | None]:
    count, (height, width) = len(rows), cropped[1:]
    room = rows.shape[2] - height + 1, rows.shape[3] - width + 1
    tops, lefts, flips = ([(room[0] - 1) // 2] * count, [(room[1] - 1) // 2] * count, [0] * count)
    if request.phase == "TRAIN":
        # Each row has its own block of the stream, so its random numbers do not depend on its batch.
        luck = integers(request.seed, f"{request.layer.name}/transform", 2**32, (count, HALVES_PER_BLOCK), first=first)
        tops, lefts = (luck[:, 0] * room[0] >> 32).tolist(), (luck[:, 1] * room[1] >> 32).tolist()
        flips = (luck[:, 2] >> 31).tolist() if request.layer.transform_param.mirror else flips
    windows = [
        (slice(None), slice(y, y + height), slice(x, x + width) if not flip else slice(x + width - 1, x - 1 if x else None, -1))
        for y, x, flip in zip(tops, lefts, flips, strict=True)
    ]
    images = np.empty((count, *cropped), rows.dtype)
    for image, row, window in zip(images, rows, windows, strict=True):
        image[...] = row[window]
    if mean is not None and mean.size > mean.shape[0]:
        mean = np.stack([mean[window] for window in windows])
    return images, mean


def resized(layer: pb.LayerParameter) -> dict[str, list[int]]:
    """Metadata: the height and width to which images are resized before the central crop. Empty if they are not resized."""
    size = [layer.transform_param.resize_height, layer.transform_param.resize_width]
    return {"resize": size} if layer.transform_param.crop_size and all(size) else {}


def _channels(field: str, values: Sequence[float], shape: tuple[int, ...]) -> np.ndarray | None:
    if not values:
        return None
    if len(values) not in (1, shape[0] if shape else 1):
        text = f"`{field}` has {len(values)} values. Expected 1 or {shape[0] if shape else 1}, one per channel."
        raise DataError(text, field=field)
    return np.asarray(values, np.float32).reshape(-1, *[1] * (len(shape) - 1))


def read_blob(path: Path) -> np.ndarray:
    """Read the float32 array in an `.npy` file, or in a BlobProto in any other file. DataError if it contains neither."""
    try:
        if path.suffix == ".npy":
            with open_plain(path) as file:
                array: np.ndarray = np.load(file, allow_pickle=False)
                return array.astype(np.float32)
        blob = pb.BlobProto.FromString(read_file(path))
        dims = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
        return np.asarray(blob.data or blob.double_data, np.float32).reshape(dims)
    except Exception as e:
        raise DataError(f"Cannot read {path} as an array (.npy or a BlobProto): {e}", field="mean_file") from e


def _mean_file(path: Path, shape: tuple[int, ...], cropped: bool) -> np.ndarray:
    mean = read_blob(path)
    mean = mean[0] if mean.ndim == len(shape) + 1 and len(mean) == 1 else mean
    found = mean.shape
    if cropped and mean.ndim == 3 and all(m >= s for m, s in zip(found, shape, strict=True)):
        y, x = (found[1] - shape[1]) // 2, (found[2] - shape[2]) // 2
        mean = mean[:, y : y + shape[1], x : x + shape[2]]
    if mean.shape != shape:
        sizes = f"is {'x'.join(map(str, found))}, but the rows are {'x'.join(map(str, shape))}"
        text = f"`mean_file` {path} {sizes}. `netc data mean` makes one that fits; `mean_value` takes one number per channel."
        raise DataError(text, field="mean_file")
    return mean
