"""`caffe.Classifier` and `caffe.Detector`: run a net on images, crops or windows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.caffe import io
from netc.caffe.arguments import TEST
from netc.caffe.net import Net
from netc.errors import DataError


class _Images(Net):
    """A net in the TEST phase whose first input is an image, prepared by its transformer."""

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
        """The first output of the net for images (height, width, channels)."""
        name = self.inputs[0]
        fed = np.array([self.transformer.preprocess(name, image) for image in images])
        return self.forward_all(**{name: fed})[self.outputs[0]]


class Classifier(_Images):
    """An image classifier. Images are resized to `image_dims` before cropping, by default to the input size of the net."""

    def __init__(
        self, model_file: str, pretrained_file: str, image_dims: Sequence[int] | None = None, *settings: Any, **named: Any
    ):  # fmt: skip
        super().__init__(model_file, pretrained_file, *settings, **named)
        self.image_dims = tuple(self.crop_dims if image_dims is None else image_dims)

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """One row of scores per image: the mean over ten crops, or the scores of the centre crop."""
        images = np.array([io.resize_image(image, self.image_dims) for image in inputs])
        if oversample:
            scores = self._scores(list(io.oversample(list(images), list(self.crop_dims))))
            return np.asarray(scores.reshape(len(images), 10, -1).mean(1))
        y, x = ((size - crop) // 2 for size, crop in zip(self.image_dims, self.crop_dims, strict=True))
        height, width = self.crop_dims
        return self._scores(list(images[:, y : y + height, x : x + width]))


class Detector(_Images):
    """A classifier of windows. `context_pad` adds this many pixels around a window; outside the image it uses the mean."""

    def __init__(self, model_file: str, pretrained_file: str, *settings: Any, context_pad: int = 0, **named: Any):
        super().__init__(model_file, pretrained_file, *settings, **named)
        self.context_pad = context_pad
        name = self.inputs[0]
        mean = self.transformer.mean.get(name, np.zeros(1, np.float32))
        size = (self.blobs[name].shape[1], *self.crop_dims)
        self.crop_mean = self.transformer.deprocess(name, np.broadcast_to(0 * mean, size))

    def detect_windows(self, images_windows: Sequence[tuple[str, Sequence[Sequence[float]]]]) -> list[dict[str, Any]]:
        """The `window`, `prediction` and `filename` of each window (ymin, xmin, ymax, xmax) of each image file."""
        places = [(name, np.asarray(window)) for name, windows in images_windows for window in windows]
        images = {name: io.load_image(name) for name, _ in places}
        scores: Any = self._scores([self.crop(images[name], window) for name, window in places]) if places else []
        return [{"window": w, "prediction": s, "filename": n} for (n, w), s in zip(places, scores, strict=True)]

    def crop(self, im: np.ndarray, window: np.ndarray) -> np.ndarray:
        """Crop a window; with context, to the input size of the net. DataError if the window is outside the image."""
        begin, end = np.asarray(window[:2], int), np.asarray(window[2:], int)
        if (begin >= end).any() or (end <= 0).any() or (begin >= im.shape[:2]).any():
            raise DataError(f"window {tuple(window)} is outside the image of {im.shape[0]} x {im.shape[1]}")
        if not self.context_pad:
            return im[max(begin[0], 0) : end[0], max(begin[1], 0) : end[1]]
        half = (end - begin + 1) / 2
        reach = half * self.crop_dims / (self.crop_dims - 2.0 * self.context_pad)
        first, last = np.round(begin + half - reach).astype(int), np.round(begin + half + reach).astype(int)
        factor = self.crop_dims / (last - first + 1)
        pad = np.round(np.maximum(0, -first) * factor).astype(int)
        first, last = np.maximum(first, 0), np.minimum(last, np.array(im.shape[:2]))
        size = np.minimum(np.round((last - first + 1) * factor).astype(int), self.crop_dims - pad)
        cropped = np.array(self.crop_mean)
        part = io.resize_image(im[first[0] : last[0], first[1] : last[1]], size)
        cropped[pad[0] : pad[0] + size[0], pad[1] : pad[1] + size[1]] = part
        return cropped
