"""`caffe.Classifier` and `caffe.Detector`: a net on images, over crops of them, or on windows of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.caffe import io
from netc.caffe.arguments import TEST
from netc.caffe.net import Net
from netc.errors import DataError


class _Images(Net):
    """A net in TEST whose first input takes images as its transformer makes them."""

    def __init__(
        self,
        model_file: str,
        pretrained_file: str,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ):
        super().__init__(model_file, TEST, weights=pretrained_file)
        name = self.inputs[0]
        self.transformer = io.Transformer({name: self.blobs[name].shape})
        self.transformer.set_transpose(name, (2, 0, 1))
        given = (("mean", mean), ("input_scale", input_scale), ("raw_scale", raw_scale), ("channel_swap", channel_swap))
        for setting, value in given:
            if value is not None:
                getattr(self.transformer, f"set_{setting}")(name, value)
        self.crop_dims = np.array(self.blobs[name].shape[2:])

    def _scores(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """What the net's first output says of images (height, width, channels)."""
        name = self.inputs[0]
        fed = np.array([self.transformer.preprocess(name, image) for image in images])
        return self.forward_all(**{name: fed})[self.outputs[0]]


class Classifier(_Images):
    """A classifier of images. `image_dims` is the size that they get before they are cropped; the net's own by default."""

    def __init__(
        self, model_file: str, pretrained_file: str, image_dims: Sequence[int] | None = None, *settings: Any, **named: Any
    ):  # fmt: skip
        super().__init__(model_file, pretrained_file, *settings, **named)
        self.image_dims = tuple(self.crop_dims if image_dims is None else image_dims)

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """A row of scores for each image: the mean over ten crops, or those of the middle."""
        images = np.array([io.resize_image(image, self.image_dims) for image in inputs])
        if oversample:
            scores = self._scores(list(io.oversample(list(images), list(self.crop_dims))))
            return np.asarray(scores.reshape(len(images), 10, -1).mean(1))
        y, x = ((size - crop) // 2 for size, crop in zip(self.image_dims, self.crop_dims, strict=True))
        height, width = self.crop_dims
        return self._scores(list(images[:, y : y + height, x : x + width]))


class Detector(_Images):
    """A classifier of windows. With `context_pad` a window is warped with so many pixels around it; beyond the image is the mean."""

    def __init__(self, model_file: str, pretrained_file: str, *settings: Any, context_pad: int = 0, **named: Any):
        super().__init__(model_file, pretrained_file, *settings, **named)
        self.context_pad = context_pad
        name = self.inputs[0]
        mean = self.transformer.mean.get(name, np.zeros(1, np.float32))
        size = (self.blobs[name].shape[1], *self.crop_dims)
        self.crop_mean = self.transformer.deprocess(name, np.broadcast_to(0 * mean, size))

    def detect_windows(self, images_windows: Sequence[tuple[str, Sequence[Sequence[float]]]]) -> list[dict[str, Any]]:
        """For each window (ymin, xmin, ymax, xmax) of each image file: its `window`, `prediction` and `filename`."""
        places = [(name, np.asarray(window)) for name, windows in images_windows for window in windows]
        images = {name: io.load_image(name) for name, _ in places}
        scores: Any = self._scores([self.crop(images[name], window) for name, window in places]) if places else []
        return [{"window": w, "prediction": s, "filename": n} for (n, w), s in zip(places, scores, strict=True)]

    def crop(self, im: np.ndarray, window: np.ndarray) -> np.ndarray:
        """The part of an image in a window; with context as large as the net's input. DataError if it lies outside."""
        begin, end = np.asarray(window[:2], int), np.asarray(window[2:], int)
        if (begin >= end).any() or (end <= 0).any() or (begin >= im.shape[:2]).any():
            raise DataError(f"window {tuple(window)} has no part of an image of {im.shape[0]} x {im.shape[1]}")
        if not self.context_pad:
            return im[max(begin[0], 0) : end[0], max(begin[1], 0) : end[1]]
        half = (end - begin + 1) / 2
        reach = half * self.crop_dims / (self.crop_dims - 2.0 * self.context_pad)
        first, last = np.round(begin + half - reach).astype(int), np.round(begin + half + reach).astype(int)
        factor = self.crop_dims / (last - first + 1)
        pad = np.round(np.maximum(0, -first) * factor).astype(int)
        first, last = np.maximum(first, 0), np.minimum(last, np.array(im.shape[:2]))
        size = np.minimum(np.round((last - first + 1) * factor).astype(int), self.crop_dims - pad)
        found = np.array(self.crop_mean)
        part = io.resize_image(im[first[0] : last[0], first[1] : last[1]], size)
        found[pad[0] : pad[0] + size[0], pad[1] : pad[1] + size[1]] = part
        return found
