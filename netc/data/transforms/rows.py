"""The transformation of the rows of a batch: pad, crop, rotate, resize, flip, change colors, normalize and erase, in this order.

In TRAIN, all but the normalization is random. In TEST, a crop is central and nothing else changes an image; Caffe mirrors in TEST as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.detection.fitting import fit_facts
from netc.data.source import Request, TopSpec
from netc.data.transforms import color
from netc.data.transforms.checks import COLORS, limits, transformed, uses
from netc.data.transforms.erasing import erase
from netc.data.transforms.geometry import Border, Window, bordered, moved
from netc.data.transforms.luck import PER_REGION, Luck, between, central, region
from netc.data.transforms.normalization import Normalisation, normalisation
from netc.data.workers import Workers, workers_of

CHUNK = 1 << 18  # values of the rows that a thread transforms together
BORDERS: dict[int, Border] = {
    pb.TransformationParameter.CONSTANT: "constant",
    pb.TransformationParameter.REFLECT: "reflect",
    pb.TransformationParameter.EDGE: "edge",
}
Masks = Sequence[np.ndarray]


@dataclass(frozen=True)
class Transform:
    """The transformation of a layer's rows in a phase. `top` describes the rows before it, and `after` the rows that it makes.

    `order` are the numbers of the red, green and blue channel.
    """

    param: pb.TransformationParameter
    training: bool
    luck: Luck
    top: TopSpec
    after: TopSpec
    norm: Normalisation
    order: color.Order
    workers: Workers

    def __call__(self, rows: np.ndarray, first: int, masks: Masks = ()) -> tuple[np.ndarray, list[np.ndarray]]:
        """Stored rows, of which the first has the number `first` in the stream, to float32 rows. `masks` move with their images."""
        count, size = len(rows), self.after.sizes
        out = np.empty((count, *size), np.float32)
        moved_masks = [np.empty((count, *mask.shape[1:-2], *size[-2:]), mask.dtype) for mask in masks]
        step = max(1, CHUNK // max(1, prod(size)))

        def part(start: int) -> None:
            chunk = slice(start, start + step)
            self._part(rows[chunk], first + start, out[chunk], [mask[chunk] for mask in masks], [mask[chunk] for mask in moved_masks])

        self.workers.apply(part, range(0, count, step))
        return out, moved_masks if self._moves else list(masks)

    def _part(self, rows: np.ndarray, first: int, out: np.ndarray, masks: Masks, moved_masks: Masks) -> None:
        images, means = self._moved(rows, first, masks, moved_masks) if self._moves else (rows, None)
        if self.training and uses(self.param, COLORS):
            images = images.astype(np.float32)
            self._change_colors(images, first)
        self.norm.apply(images, means, out)
        if self.training and self.param.HasField("random_erasing"):
            erase(out, self.param.random_erasing.p, *limits(self.param, "random_erasing"), self.luck, first)

    @property
    def _size(self) -> tuple[int, int]:
        """Height and width of an image after the transformation."""
        _, height, width = self.after.sizes
        return height, width

    @cached_property
    def _moves(self) -> bool:
        """Whether pixels change their places."""
        fields = ("mirror", "pad", "vertical_flip", "rotation", "random_resized_crop")
        return self.after.shape != self.top.shape or bool(self.training and uses(self.param, fields))

    def _moved(self, rows: np.ndarray, first: int, masks: Masks, moved_masks: Masks) -> tuple[np.ndarray, np.ndarray | None]:
        """The windows of the rows; and those of the mean image, one for each row, if there is one."""
        border, size = BORDERS[self.param.pad_mode], self._size
        mean, fill = (self.norm.mean, None) if self.norm.is_image else (None, self._fill)
        pad = self.param.pad if self.training else 0
        if pad:
            rows = bordered(rows, pad, border, fill)
            mean = None if mean is None else bordered(mean, pad, border)
            masks = [bordered(mask, pad, border) for mask in masks]
        windows = self._windows(first, len(rows), rows.shape[2:])
        bent = self.training and uses(self.param, ("rotation", "random_resized_crop"))
        images = np.empty((len(rows), *self.after.sizes), np.float32 if bent else rows.dtype)
        means = None if mean is None else np.empty(images.shape, np.float32)
        for k, window in enumerate(windows):
            images[k] = moved(rows[k], window, size, border, fill)
            if mean is not None and means is not None:
                means[k] = moved(mean, window, size, border)
            for mask, target in zip(masks, moved_masks, strict=True):
                target[k].reshape(-1, *size)[...] = moved(mask[k].reshape(-1, *mask.shape[-2:]), window, size, border, nearest=True)
        return images, means

    @cached_property
    def _fill(self) -> np.ndarray | None:
        """The values beyond the border, one per channel: the mean, which normalization makes 0."""
        return None if self.norm.mean is None else np.broadcast_to(self.norm.mean, (self.top.sizes[0], 1, 1))

    def _windows(self, first: int, count: int, full: Sequence[int]) -> list[Window]:
        """The window of each row in images of the size `full`."""
        height, width = self._size
        room = full[0] - height + 1, full[1] - width + 1
        if not self.training:
            return [Window((room[0] - 1) // 2, (room[1] - 1) // 2, height, width)] * count
        halves = self.luck.halves(first, count)
        tops, lefts = (halves[:, 0] * room[0] >> 32).tolist(), (halves[:, 1] * room[1] >> 32).tolist()
        regions = [(y, x, height, width) for y, x in zip(tops, lefts, strict=True)]
        if self.param.HasField("random_resized_crop"):
            scale, ratio = limits(self.param, "random_resized_crop")
            draws = self.luck.uniform("random_resized_crop", PER_REGION, first, count)
            whole = int(full[0]), int(full[1])
            regions = [region(u, whole, scale, ratio, whole=True) or central(whole, ratio) for u in draws]
        never = np.zeros(count, bool)
        mirrored = halves[:, 2] >> 31 > 0 if self.param.mirror else never
        flipped = self.luck.uniform("vertical_flip", 1, first, count)[:, 0] > 0.5 if self.param.vertical_flip else never
        degrees = np.zeros(count)
        if self.param.rotation:
            degrees = (2 * self.luck.uniform("rotation", 1, first, count)[:, 0] - 1) * self.param.rotation
        several = zip(regions, degrees.tolist(), mirrored.tolist(), flipped.tolist(), strict=True)
        return [Window(*corner, turn, mirror, flip) for corner, turn, mirror, flip in several]

    def _change_colors(self, images: np.ndarray, first: int) -> None:
        amounts = {field: getattr(self.param.color_jitter, field) for field in color.JITTER}
        draws = self.luck.uniform("color_jitter", len(amounts) + 1, first, len(images)).tolist()
        for image, (*several, last) in zip(images, draws, strict=True):
            for (field, amount), u in zip(amounts.items(), several, strict=True):
                if amount:
                    change, middle = color.JITTER[field]
                    change(image, between(u, max(0.0, middle - amount) if middle else -amount, middle + amount), self.order)
            if last < self.param.random_grayscale:
                color.decolor(image, self.order)


def transform(request: Request, top: TopSpec, channels: str = "") -> Transform:
    """The transformation of the rows that `top` describes. `channels` is the order of their channels, RGB or BGR."""
    param = request.layer.transform_param
    return Transform(
        param, request.phase == "TRAIN", Luck(request.seed, request.layer.name), top, transformed(param, top),
        normalisation(param, top.sizes, request.base), color.BGR if channels == "BGR" else color.RGB, workers_of(request.layer),
    )  # fmt: skip


def resized(layer: pb.LayerParameter) -> dict[str, Any]:
    """Metadata: the height and width to which images are resized before the central crop, or how. Empty if they are not resized."""
    size = [layer.transform_param.resize_height, layer.transform_param.resize_width]
    return ({"resize": size} if layer.transform_param.crop_size and all(size) else {}) | fit_facts(layer.transform_param)
