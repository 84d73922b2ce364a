"""`caffe.io`: images and arrays on their way into a net, with the order of steps that pycaffe has."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.datum import to_datum, to_pixels
from netc.data.pixels import read_image
from netc.errors import DataError, near
from netc.formats.caffe_weights import to_array, to_blob


class Transformer:
    """What is done to an image before it is fed: resize, transpose, channels swapped, raw scale, mean, input scale.

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
        """The order of the image's axes, (2, 0, 1) for channels first."""
        if len(order) != len(self._shape(input_)) - 1:
            raise DataError(f"transpose has {len(order)} axes, an image of {input_!r} has {len(self._shape(input_)) - 1}")
        self.transpose[input_] = tuple(order)

    def set_channel_swap(self, input_: str, order: Sequence[int]) -> None:
        """The order of the channels, (2, 1, 0) to turn red first into blue first."""
        if len(order) != self._shape(input_)[1]:
            raise DataError(f"channel_swap has {len(order)} channels, {input_!r} has {self._shape(input_)[1]}")
        self.channel_swap[input_] = tuple(order)

    def set_raw_scale(self, input_: str, scale: float) -> None:
        """A factor before the mean is taken away: 255 for images in [0, 1]."""
        self._shape(input_)
        self.raw_scale[input_] = scale

    def set_mean(self, input_: str, mean: np.ndarray) -> None:
        """What is taken away: a number a channel, or an image of the input's size."""
        shape, mean = self._shape(input_), np.asarray(mean, np.float32)
        if mean.ndim == 1:
            if len(mean) not in (1, shape[1]):
                raise DataError(f"the mean has {len(mean)} channels, {input_!r} has {shape[1]}")
            mean = mean[:, None, None]
        elif tuple(mean.shape[-3:]) != tuple(shape[1:]):
            raise DataError(f"the mean is {mean.shape}, an image of {input_!r} is {shape[1:]}")
        self.mean[input_] = mean

    def set_input_scale(self, input_: str, scale: float) -> None:
        """A factor at the end."""
        self._shape(input_)
        self.input_scale[input_] = scale

    def preprocess(self, input_: str, image: np.ndarray) -> np.ndarray:
        """An image (height, width, channels) as the net takes it, float32."""
        shape = self._shape(input_)
        found = np.asarray(image, np.float32)
        if found.shape[:2] != shape[2:]:
            found = resize_image(found, shape[2:])
        if input_ in self.transpose:
            found = found.transpose(self.transpose[input_])
        if input_ in self.channel_swap:
            found = found[self.channel_swap[input_], :, :]
        found = found * np.float32(self.raw_scale.get(input_, 1))
        if input_ in self.mean:
            found = found - self.mean[input_]
        return np.asarray(found * np.float32(self.input_scale.get(input_, 1)), np.float32)

    def deprocess(self, input_: str, data: np.ndarray) -> np.ndarray:
        """What a net takes as an image again; its size stays."""
        self._shape(input_)
        found = np.array(np.squeeze(data), np.float32) / np.float32(self.input_scale.get(input_, 1))
        if input_ in self.mean:
            found = found + self.mean[input_]
        found = found / np.float32(self.raw_scale.get(input_, 1))
        if input_ in self.channel_swap:
            found = found[np.argsort(self.channel_swap[input_]), :, :]
        if input_ in self.transpose:
            found = found.transpose(np.argsort(self.transpose[input_]))
        return np.asarray(found)

    def _shape(self, input_: str) -> tuple[int, ...]:
        if input_ not in self.inputs:
            raise DataError(f"{input_!r} is no input of the transformer. {near(input_, self.inputs)}")
        return self.inputs[input_]


def load_image(path: str, color: bool = True) -> np.ndarray:
    """An image file as float32 in [0, 1], (height, width, 3), or with one channel where `color` is false.

    It is turned as its EXIF says, which pycaffe leaves to the caller.
    """
    return np.asarray(read_image(Path(path), 3 if color else 1).transpose(1, 2, 0), np.float32) / np.float32(255)


def resize_image(image: np.ndarray, size: Sequence[int], interp_order: int = 1) -> np.ndarray:
    """An image (height, width, channels) in another size, float32, by bilinear interpolation; nearest for order 0."""
    found = np.asarray(image, np.float32)
    for axis, wanted in enumerate(size):
        found = _resized(found, axis, int(wanted), interp_order)
    return found


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
    """Ten crops of each image: four corners and the middle, then the same mirrored; (10 n, height, width, channels)."""
    height, width = crop_dims
    crops = []
    for image in images:
        down, right = image.shape[0] - height, image.shape[1] - width
        corners = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
        five = [image[y : y + height, x : x + width] for y, x in corners]
        crops += five + [crop[:, ::-1] for crop in five]
    return np.asarray(crops, np.float32)


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """The values of a BlobProto, or its diff."""
    return to_array(blob, "the BlobProto", "diff" if return_diff else "data")


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> pb.BlobProto:
    """An array as a BlobProto."""
    return to_blob(arr, diff)


def array_to_datum(arr: np.ndarray, label: int | None = None) -> pb.Datum:
    """An array (channels, height, width) as a Datum: of bytes for uint8, else of floats."""
    if arr.ndim != 3:
        raise DataError(f"a Datum has three axes; an array of {arr.ndim} came")
    return to_datum(arr, label)


def datum_to_array(datum: pb.Datum) -> np.ndarray:
    """The array (channels, height, width) in a Datum."""
    return to_pixels(datum, "the Datum")
