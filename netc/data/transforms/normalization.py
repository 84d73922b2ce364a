"""Normalization, the last step of a transformation: (pixel - mean) * scale / std_value."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.errors import DataError
from netc.files import open_plain, read_file
from netc.formats.caffe_weights import to_array


@dataclass(frozen=True)
class Normalisation:
    """(x - mean) * factor. Both broadcast against a row before cropping. `mean` is None if it is 0."""

    mean: np.ndarray | None
    factor: np.ndarray

    @property
    def is_image(self) -> bool:
        """Whether the mean is an image, which must be cropped and moved with each row."""
        return self.mean is not None and self.mean.size > len(self.mean)

    def apply(self, rows: np.ndarray, means: np.ndarray | None, out: np.ndarray) -> None:
        """Write the normalized rows to `out`, float32. `means` replaces a mean image: one for each row."""
        mean = self.mean if means is None else means
        with np.errstate(over="ignore"):  # values beyond float32 become infinite; later checks report them
            if mean is None:
                np.multiply(rows, self.factor, out=out, dtype=np.float32, casting="unsafe")
                return
            np.subtract(rows, mean, out=out, dtype=np.float32, casting="unsafe")
            np.multiply(out, self.factor, out=out)


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
        return to_array(pb.BlobProto.FromString(read_file(path)), "").astype(np.float32)
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
