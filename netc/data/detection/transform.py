"""The rows of a batch of images with boxes: every transformation moves the boxes with the pixels.

The order is that of SSD: distort_param, expand_param, batch_sampler, resize_param, noise_param, the crop, mirror, and normalization. TEST
has only resizing, a central crop and normalization. All random numbers are functions of the seed, the name of the layer and the number of
the row in the stream of training rows.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from netc import netc_pb2 as pb
from netc.data.decoding import each
from netc.data.detection.annotated import Annotated, Checked
from netc.data.detection.boxes import WHOLE, Region, label_blob, mirrored, within
from netc.data.detection.distortion import DISTORTION, EXPANSION, distorted, expanded
from netc.data.detection.noise import NOISE, noisy
from netc.data.detection.resizing import resize_of, resized
from netc.data.detection.sampling import drawn_region, numbers_needed
from netc.data.transforms import color
from netc.data.transforms.luck import Luck
from netc.data.transforms.normalization import Normalisation
from netc.data.workers import Workers
from netc.errors import DataError

Shape = tuple[int, int, int]
Uniform = dict[str, np.ndarray]


@dataclass(frozen=True)
class BoxTransform:
    """The transformation of a layer's rows in a phase, to images of `shape` (channels, height, width) and the label blob.

    `boxes` are those of all images, and `luck` is None in TEST. With `bgr`, blue comes first.
    """

    data: Annotated
    boxes: Checked
    layer: pb.LayerParameter
    shape: Shape
    norm: Normalisation
    luck: Luck | None
    bgr: bool
    workers: Workers

    def __call__(self, rows: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
        """The images and the label blob of rows. The first has the number `first` in the stream of training rows."""
        drawn = self._drawn(first, len(rows))

        def make(k: int) -> tuple[np.ndarray, np.ndarray]:
            return self.one(int(rows[k]), {name: numbers[k] for name, numbers in drawn.items()})

        made = each(make, range(len(rows)), self.workers)
        out = np.empty((len(rows), *self.shape), np.float32)
        for k, (image, _) in enumerate(made):
            self.norm.apply(image[None], None, out[k : k + 1])
        return out, label_blob([boxes for _, boxes in made], self.boxes.most)

    def one(self, row: int, drawn: Uniform) -> tuple[np.ndarray, np.ndarray]:
        """The image, before normalization, and the boxes of a row. Without `drawn`, nothing is random."""
        image, boxes = self.data.image(row), self.boxes.boxes[row]
        channels = self.shape[0]
        if len(image) != channels:
            image = np.repeat(image, channels, 0) if len(image) == 1 else image.mean(0, keepdims=True).astype(np.uint8)
        if self.bgr != self.data.bgr:
            image = image[::-1]
        if drawn:
            image, boxes = self._varied(image, boxes, drawn)
        image, boxes = self._sized(image, boxes, drawn, row)
        if drawn and self._param.mirror and drawn["mirror"][0] > 0.5:
            return image[:, :, ::-1], mirrored(boxes)
        return image, boxes

    @property
    def _param(self) -> pb.TransformationParameter:
        return self.layer.transform_param

    @property
    def _emit(self) -> pb.EmitConstraint | None:
        return self._param.emit_constraint if self._param.HasField("emit_constraint") else None

    @cached_property
    def _fields(self) -> dict[str, int]:
        """How many random numbers each field needs for a row."""
        param, samplers = self._param, self.layer.annotated_data_param.batch_sampler
        wanted = {
            "distort_param": DISTORTION if param.HasField("distort_param") else 0,
            "expand_param": EXPANSION if param.HasField("expand_param") else 0,
            "batch_sampler": numbers_needed(samplers) if samplers else 0,
            "resize_param": len(param.resize_param.interp_mode) > 1,
            "noise_param": NOISE if param.HasField("noise_param") else 0,
            "crop": 2, "mirror": 1,
        }  # fmt: skip
        return {name: int(count) for name, count in wanted.items() if count}

    def _drawn(self, first: int, count: int) -> Uniform:
        if self.luck is None:
            return {}
        return {name: self.luck.uniform(name, numbers, first, count) for name, numbers in self._fields.items()}

    def _varied(self, image: np.ndarray, boxes: np.ndarray, drawn: Uniform) -> tuple[np.ndarray, np.ndarray]:
        """The image with other colors, in a larger one, and the region of it that the batch sampler draws."""
        param = self._param
        if "distort_param" in drawn:
            image = distorted(image, param.distort_param, drawn["distort_param"], color.BGR if self.bgr else color.RGB)
        if "expand_param" in drawn and (larger := expanded(image, param.expand_param, drawn["expand_param"], self._fill)):
            image, boxes = larger[0], within(boxes, larger[1], self._emit)
        if "batch_sampler" in drawn:
            region = drawn_region(self.layer.annotated_data_param.batch_sampler, boxes, drawn["batch_sampler"])
            if region is not None:
                image, boxes = cropped(image, boxes, region, self._emit)
        return image, boxes

    @cached_property
    def _fill(self) -> np.ndarray:
        """The color of an expanded image: the mean of each channel."""
        mean = self.norm.mean
        found = np.zeros(1) if mean is None else mean.reshape(len(mean), -1).mean(1)
        return np.broadcast_to(found, (self.shape[0],))

    def _sized(self, image: np.ndarray, boxes: np.ndarray, drawn: Uniform, row: int) -> tuple[np.ndarray, np.ndarray]:
        """The image in the size of the inputs: resized, with noise, and cropped."""
        if (resize := resize_of(self._param)) is not None:
            u = drawn.get("resize_param")
            new = resized(image, resize, None if u is None else float(u[0]))
            image, boxes = new.image, boxes if new.region == WHOLE else within(boxes, new.region)
        if "noise_param" in drawn:
            image = noisy(image, self._param.noise_param, drawn["noise_param"])
        (rows, columns), (height, width) = image.shape[1:], self.shape[1:]
        if (rows, columns) == (height, width):
            return image, boxes
        if rows < height or columns < width:
            raise DataError(f"{self.data.place(row)}: The image is {rows} x {columns}. Expected at least {height} x {width}.")
        down, right = drawn["crop"].tolist() if drawn else (0.5, 0.5)
        top, left = _offset(down, rows - height, bool(drawn)), _offset(right, columns - width, bool(drawn))
        region = left / columns, top / rows, (left + width) / columns, (top + height) / rows
        return image[:, top : top + height, left : left + width], within(boxes, region, self._emit)


def _offset(u: float, room: int, random: bool) -> int:
    return min(int(u * (room + 1)), room) if random else room // 2


def cropped(image: np.ndarray, boxes: np.ndarray, region: Region, emit: pb.EmitConstraint | None) -> tuple[np.ndarray, np.ndarray]:
    """The pixels of a region of an image, at least one, and their boxes."""
    height, width = image.shape[1:]
    left, top = min(int(region[0] * width), width - 1), min(int(region[1] * height), height - 1)
    columns = max(1, min(int((region[2] - region[0]) * width), width - left))
    rows = max(1, min(int((region[3] - region[1]) * height), height - top))
    exact = left / width, top / height, (left + columns) / width, (top + rows) / height
    return image[:, top : top + rows, left : left + columns], within(boxes, exact, emit)
