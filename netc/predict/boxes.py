"""Predictions of detectors: objects with their boxes in pixels of the picture, and pictures with the boxes drawn into them."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from netc import data
from netc.errors import DataError
from netc.predict.readable import COLORS
from netc.predict.results import Prediction

LEAST = 0.5  # the score of the boxes that are shown
COLUMNS = 7  # of a row: image, label, score and corners
SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Found:
    """An object: the name of its class, the score, and the corners xmin, ymin, xmax and ymax."""

    name: str
    label: int
    score: float
    corners: tuple[float, ...]

    @property
    def record(self) -> dict[str, Any]:
        """The object for JSON."""
        return {"class": self.name, "score": self.score} | dict(zip(SIDES, self.corners, strict=True))


@dataclass(frozen=True)
class BoxPrediction(Prediction):
    """The objects in one input, by their scores. Corners are pixels of the picture at `path`, or parts of an array without a picture."""

    found: tuple[Found, ...]
    path: str = ""

    @property
    def text(self) -> str:
        if not self.found:
            return f"{self.source}: no objects"
        corners = (" ".join(f"{v:.4g}" for v in one.corners) for one in self.found)
        return "\n".join(f"{self.source}: {one.name} {one.score:.4f} at {at}" for one, at in zip(self.found, corners, strict=True))

    @property
    def rows(self) -> tuple[Prediction, ...]:
        sides = ({side: np.array(v, np.float32) for side, v in zip(SIDES, one.corners, strict=True)} for one in self.found)
        return tuple(Prediction(self.source, own, ((one.name, one.score),)) for one, own in zip(self.found, sides, strict=True))

    @property
    def more(self) -> dict[str, Any]:
        return {"objects": [one.record for one in self.found]}

    @cached_property
    def drawn(self) -> Any:
        """The picture with the boxes, as an image of Pillow. DataError if the input is no picture."""
        if not self.path:
            raise DataError(f"{self.source}: Boxes can only be drawn into pictures, and this is an array.")
        return outlined(data.read_image(Path(self.path), 3), self.found)

    @property
    def picture(self) -> bytes:
        buffer = io.BytesIO()
        self.drawn.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def detects(metadata: Mapping[str, Any]) -> bool:
    """Whether the outputs of a model are boxes of objects."""
    return bool(metadata.get("boxes"))


def found_boxes(
    name: str,
    outputs: dict[str, np.ndarray],
    metadata: Mapping[str, Any],
    labels: Sequence[str],
    size: tuple[int, int],
    least: float | None,
) -> BoxPrediction:
    """The prediction for one input of `size` (height, width) from the outputs of a batch of it. `least` is the lowest score."""
    (first, *_) = metadata["boxes"]
    rows = np.asarray(outputs[first], np.float64).reshape(-1, COLUMNS)
    rows = rows[(rows[:, 1] >= 0) & (rows[:, 2] >= (LEAST if least is None else least))]
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    path = name if Path(name).is_file() and not name.lower().endswith(".npy") else ""
    corners = rows[:, 3:]
    if path:
        _, height, width = data.read_image(Path(path), 0).shape
        fit = data.fit_of(metadata, size) or data.plain_fit(metadata, size)
        corners = data.in_image(corners, fit.region(height, width)) * [width, height, width, height]
    names = [labels[k] if k < len(labels) else f"class {k}" for k in rows[:, 1].astype(int).tolist()]
    objects = zip(names, rows[:, 1].tolist(), rows[:, 2].tolist(), corners.tolist(), strict=True)
    return BoxPrediction(name, outputs, (), tuple(Found(n, int(k), score, tuple(box)) for n, k, score, box in objects), path)


def outlined(pixels: np.ndarray, found: Sequence[Found]) -> Any:
    """An image of bytes (channels, height, width) with boxes, names and scores, as an image of Pillow."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)) if len(pixels) == 3 else pixels[0]).convert("RGB")
    draw, line = ImageDraw.Draw(image), max(1, round(min(image.size) / 150))
    for one in reversed(found):  # the surest on top
        color = COLORS[1 + (one.label - 1) % (len(COLORS) - 2)]
        x1, y1, x2, y2 = (round(v) for v in one.corners)
        draw.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=color, width=line)
        _caption(draw, image.size, (x1, y1), f"{one.name} {one.score:.2f}" if one.score < 1 else one.name, color)
    return image


def _caption(draw: Any, size: tuple[int, int], at: tuple[int, int], text: str, color: tuple[int, int, int]) -> None:
    """A text on its color, above the box if there is room."""
    from PIL import ImageFont

    font = ImageFont.load_default()
    try:
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    except UnicodeEncodeError:  # a font without these letters
        text = text.encode("ascii", "replace").decode()
        left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 2, bottom - top + 2
    x, y = max(0, min(at[0], size[0] - width)), at[1] - height if at[1] >= height else at[1]
    draw.rectangle((x, y, x + width, y + height), fill=color)
    draw.text((x + 1 - left, y + 1 - top), text, fill=(0, 0, 0), font=font)
