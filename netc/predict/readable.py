"""Predictions that are read in one way only: the text of a line, and the class of each pixel of an image."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.errors import DataError
from netc.predict.results import Prediction

# The colors of the classes in an image of them; the first one, usually the background, is black. Further classes repeat them.
COLORS = (
    (0, 0, 0), (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
    (153, 153, 153), (255, 255, 255),
)  # fmt: skip


@dataclass(frozen=True)
class TextPrediction(Prediction):
    """The text of one input. The output holds the numbers of its characters, padded with -1."""

    letters: str

    @property
    def text(self) -> str:
        return f"{self.source}: {self.letters}"

    @property
    def said(self) -> tuple[tuple[str, str], ...]:
        return (("text", self.letters),)

    @property
    def cells(self) -> dict[str, np.ndarray]:
        return {}


@dataclass(frozen=True)
class MaskPrediction(Prediction):
    """The class of each pixel of one image, `mask` (H, W), which is also an output; and the share of the pixels of each class."""

    mask: np.ndarray
    shares: tuple[tuple[str, float], ...]

    @property
    def text(self) -> str:
        return f"{self.source}: " + ", ".join(f"{name} {share:.1%}" for name, share in self.shares if share)

    @property
    def cells(self) -> dict[str, np.ndarray]:
        return {"mask": self.mask}

    @property
    def picture(self) -> bytes:
        """The classes as PNG with a palette: the values of the pixels are the classes. DataError for more than 256."""
        from PIL import Image

        if self.mask.dtype != np.uint8:
            raise DataError("A .png file holds at most 256 classes. Use .npz.")
        image = Image.fromarray(self.mask)
        image.putpalette([c for k in range(256) for c in COLORS[k % len(COLORS)]])
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True)
        return buffer.getvalue()


def readable(name: str, outputs: dict[str, np.ndarray], metadata: Mapping[str, Any], labels: Sequence[str]) -> Prediction | None:
    """The prediction of a model that writes texts or classes of pixels; None for any other model."""
    first = next(iter(outputs))
    if first in metadata.get("decoded", ()) and outputs[first].ndim == 1:
        return TextPrediction(name, outputs, (), letters(outputs[first], labels))
    if first in metadata.get("pixels", ()) and outputs[first].ndim == 3:
        count = len(outputs[first])
        mask = outputs[first].argmax(0).astype(np.uint8 if count <= 256 else np.int64)
        names = labels if len(labels) == count else [str(k) for k in range(count)]
        shares = np.bincount(mask.reshape(-1), minlength=count) / mask.size
        order = np.argsort(-shares, kind="stable")
        return MaskPrediction(name, {**outputs, "mask": mask}, (), mask, tuple((names[k], float(shares[k])) for k in order))
    return None


def letters(numbers: np.ndarray, labels: Sequence[str]) -> str:
    """The text of labels that end with -1: the names of the classes, with spaces between them if a name is longer than a character."""
    names = [labels[k] if k < len(labels) else str(k) for k in numbers[numbers >= 0].astype(int).tolist()]
    return ("" if all(len(label) == 1 for label in labels) and labels else " ").join(names)
