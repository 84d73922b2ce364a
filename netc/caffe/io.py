"""`caffe.io`: prepare images and arrays for a net, with the same order of steps as pycaffe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netc.caffe.proto import caffe_pb2 as caffe_pb2
from netc.data.datum import to_datum, to_pixels
from netc.data.pixels import read_image
from netc.errors import DataError, near
from netc.formats.caffe_weights import to_array, to_blob


class Transformer:
    """Prepares images: resize, transpose, channel swap, raw scale, mean, input scale.

    `inputs` are the shapes of the inputs, `{"data": net.blobs["data"].data.shape}`.
    """

    def __init__(self, inputs: dict[str, Sequence[int]]):
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, tuple[int, ...]] = {}
        self.channel_swap: dict[str, tuple[int, ...]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float] = {}

    def set_transpose(self, input_: str, order: Sequence[int]) -> None:
        """Set the order of axes, such as (2, 0, 1) for channels first."""
        if len(order) != len(self._shape(input_)) - 1:
            raise DataError(f"transpose has {len(order)} axes; an image of {input_!r} has {len(self._shape(input_)) - 1}")
        self.transpose[input_] = tuple(order)

    def set_channel_swap(self, input_: str, order: Sequence[int]) -> None:
        """Set the order of channels, such as (2, 1, 0) to convert RGB to BGR."""
        if len(order) != self._shape(input_)[1]:
            raise DataError(f"channel_swap has {len(order)} channels; {input_!r} has {self._shape(input_)[1]}")
        self.channel_swap[input_] = tuple(order)

    def set_raw_scale(self, input_: str, scale: float) -> None:
        """Set a factor that applies before the mean is subtracted: 255 for images in [0, 1]."""
        self._shape(input_)
        self.raw_scale[input_] = scale

    def set_mean(self, input_: str, mean: np.ndarray) -> None:
        """Set the mean to subtract: one number per channel, or an image of the input size."""
        shape, mean = self._shape(input_), np.asarray(mean, np.float32)
        if mean.ndim == 1:
            if len(mean) not in (1, shape[1]):
                raise DataError(f"the mean has {len(mean)} channels; {input_!r} has {shape[1]}")
            mean = mean[:, None, None]
        elif tuple(mean.shape[-3:]) != tuple(shape[1:]):
            raise DataError(f"the mean has shape {mean.shape}; an image of {input_!r} has {shape[1:]}")
        self.mean[input_] = mean

    def set_input_scale(self, input_: str, scale: float) -> None:
        """Set a factor that applies last."""
        self._shape(input_)
        self.input_scale[input_] = scale

    def preprocess(self, input_: str, image: np.ndarray) -> np.ndarray:
        """Convert an image (height, width, channels) to a float32 input of the net."""
        shape = self._shape(input_)
        array = np.asarray(image, np.float32)
        if array.shape[:2] != shape[2:]:
            array = resize_image(array, shape[2:])
        if input_ in self.transpose:
            array = array.transpose(self.transpose[input_])
        if input_ in self.channel_swap:
            array = array[self.channel_swap[input_], :, :]
        array = array * np.float32(self.raw_scale.get(input_, 1))
        if input_ in self.mean:
            array = array - self.mean[input_]
        return np.asarray(array * np.float32(self.input_scale.get(input_, 1)), np.float32)

    def deprocess(self, input_: str, data: np.ndarray) -> np.ndarray:
        """Convert an input of the net back to an image, without resizing."""
        self._shape(input_)
        array = np.array(np.squeeze(data), np.float32) / np.float32(self.input_scale.get(input_, 1))
        if input_ in self.mean:
            array = array + self.mean[input_]
        array = array / np.float32(self.raw_scale.get(input_, 1))
        if input_ in self.channel_swap:
            array = array[np.argsort(self.channel_swap[input_]), :, :]
        if input_ in self.transpose:
            array = array.transpose(np.argsort(self.transpose[input_]))
        return np.asarray(array)

    def _shape(self, input_: str) -> tuple[int, ...]:
        if input_ not in self.inputs:
            raise DataError(f"the transformer has no input {input_!r}. {near(input_, self.inputs)}")
        return self.inputs[input_]


def load_image(path: str, color: bool = True) -> np.ndarray:
    """Read an image file as float32 in [0, 1], (height, width, 3), or with one channel if `color` is false.

    The image is rotated as its EXIF data says; pycaffe does not do that.
    """
    return np.asarray(read_image(Path(path), 3 if color else 1).transpose(1, 2, 0), np.float32) / np.float32(255)


def resize_image(image: np.ndarray, size: Sequence[int], interp_order: int = 1) -> np.ndarray:
    """Resize an image (height, width, channels) with bilinear interpolation; order 0 uses the nearest pixel. Returns float32."""
    array = np.asarray(image, np.float32)
    for axis, wanted in enumerate(size):
        array = _resized(array, axis, int(wanted), interp_order)
    return array


def _resized(image: np.ndarray, axis: int, wanted: int, order: int) -> np.ndarray:
    size = image.shape[axis]
    at = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    if order == 0:
        nearest: np.ndarray = np.take(image, np.rint(at).astype(int), axis)
        return nearest
    low = np.floor(at).astype(int)
    weight = (at - low).astype(np.float32).reshape(-1, *[1] * (image.ndim - axis - 1))
    below: np.ndarray = np.take(image, low, axis)
    above: np.ndarray = np.take(image, np.minimum(low + 1, size - 1), axis)
    mixed: np.ndarray = below * (1 - weight) + above * weight
    return mixed


def oversample(images: Sequence[np.ndarray], crop_dims: Sequence[int]) -> np.ndarray:
    """Ten crops of each image: the four corners and the centre, then the same mirrored; (10 n, height, width, channels)."""
    height, width = crop_dims
    crops = []
    for image in images:
        down, right = image.shape[0] - height, image.shape[1] - width
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        five = [image[y : y + height, x : x + width] for y, x in corners]
        crops += five + [crop[:, ::-1] for crop in five]
    return np.asarray(crops, np.float32)


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """Convert a BlobProto, or its diff, to an array."""
    return to_array(blob, "the BlobProto", "diff" if return_diff else "data")


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> caffe_pb2.BlobProto:
    """Convert an array to a BlobProto."""
    return to_blob(arr, diff)


def array_to_datum(arr: np.ndarray, label: int | None = None) -> caffe_pb2.Datum:
    """Convert an array (channels, height, width) to a Datum, with bytes for uint8, else with floats."""
    if arr.ndim != 3:
        raise DataError(f"a Datum needs an array with three axes; got {arr.ndim}")
    return to_datum(arr, label)


def datum_to_array(datum: caffe_pb2.Datum) -> np.ndarray:
    """Convert a Datum to an array (channels, height, width)."""
    return to_pixels(datum, "the Datum")
