"""How an image of any size becomes the input of a detector, and where in the image a part of the input is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from netc import netc_pb2 as pb
from netc.data.detection.boxes import WHOLE, Region
from netc.data.detection.resizing import placed, resized

FIELD = "resize_param"


@dataclass(frozen=True)
class Fit:
    """The resizing of images to inputs of `size` (height, width), with a central crop if the resized image is larger."""

    param: pb.ResizeParameter
    size: tuple[int, int]

    def image(self, pixels: np.ndarray) -> np.ndarray:
        """The input for an image of bytes (channels, height, width)."""
        image = resized(pixels, self.param, None).image
        top, left = self._corner(*image.shape[1:])
        return image[:, top : top + self.size[0], left : left + self.size[1]]

    def region(self, height: int, width: int) -> Region:
        """The region that the input shows of an image of this size, as parts of the image. It may reach beyond it."""
        place = placed(self.param, height, width)
        (x1, y1, x2, y2), (rows, columns) = place.region, place.whole
        top, left = self._corner(rows, columns)
        wide, high = (x2 - x1) / columns, (y2 - y1) / rows
        start = x1 + left * wide, y1 + top * high
        return *start, start[0] + self.size[1] * wide, start[1] + self.size[0] * high

    def _corner(self, rows: int, columns: int) -> tuple[int, int]:
        return max(0, rows - self.size[0]) // 2, max(0, columns - self.size[1]) // 2


def fit_facts(param: pb.TransformationParameter) -> dict[str, Any]:
    """The metadata of a model whose images are resized by `resize_param`; empty for others."""
    if not param.HasField(FIELD):
        return {}
    return {FIELD: MessageToDict(param.resize_param, preserving_proto_field_name=True)}


def is_fit(value: Any) -> bool:
    """Whether a value of the metadata is a `resize_param`."""
    try:
        param = ParseDict(value, pb.ResizeParameter())
    except (ParseError, TypeError, AttributeError):
        return False
    return 0 < param.height <= 1 << 14 and 0 < param.width <= 1 << 14


def fit_of(metadata: Mapping[str, Any], size: tuple[int, int]) -> Fit | None:
    """How the images of a model are resized; None if they are stretched to its input."""
    return Fit(ParseDict(metadata[FIELD], pb.ResizeParameter()), size) if FIELD in metadata else None


def plain_fit(metadata: Mapping[str, Any], size: tuple[int, int]) -> Fit:
    """How the images of a model without a `resize_param` are resized: stretched, to its input or to a larger size before the crop."""
    height, width = metadata.get("resize", size)
    return Fit(pb.ResizeParameter(height=height, width=width), size)


def in_image(corners: np.ndarray, region: Region = WHOLE) -> np.ndarray:
    """Boxes (n, 4) that are parts of the input, as parts of the image of which the input shows a region. They end at its border."""
    x1, y1, x2, y2 = region
    moved: np.ndarray = np.clip(corners * np.array([x2 - x1, y2 - y1] * 2) + [x1, y1, x1, y1], 0, 1)
    return moved
