"""The page of augmented rows: `netc data show NET --augmented`."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from netc.report.html import paragraph, table
from netc.report.images import image
from netc.report.page import Filled, render

SIDE, MOST = 104, 208  # pixels: the longer side of a picture on the page, and of its file


@dataclass(frozen=True)
class Picture:
    """Bytes (height, width, 1 or 3), and lines on the label that training reads with them, if it is not that of the row."""

    pixels: np.ndarray
    captions: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """A row: its label and number, the stored image, and the row in each epoch."""

    label: str
    row: int
    stored: np.ndarray
    epochs: tuple[Picture, ...]


@dataclass(frozen=True)
class Augmented:
    """The rows of a data layer in several epochs. `settings` are the fields that change them, each with its meaning."""

    title: str
    settings: tuple[tuple[str, str], ...]
    samples: tuple[Sample, ...]
    seed: int


def page(found: Augmented) -> str:
    """The HTML page, with all pictures in it."""
    return render(found.title, [Filled("Rows", _rows(found)), Filled("Settings", _settings(found))])


def _rows(found: Augmented) -> Markup:
    epochs = max(len(sample.epochs) for sample in found.samples)
    text = "Each line shows one row of the data: as it is stored, and as training with seed {} reads it in its first {} epochs."
    if any(picture.captions for sample in found.samples for picture in sample.epochs):
        text += " Below a mixed image is what the loss reads: both labels and their shares."
    head = ["row", "stored", *(f"epoch {k + 1}" for k in range(epochs))]
    return paragraph(text, found.seed, epochs) + Markup('<div class="augmented">{}</div>').format(
        table(head, map(_row, found.samples), False)
    )


def _row(sample: Sample) -> list[Markup]:
    name = Markup("<b>{}</b><br><small>row {}</small>").format(sample.label or "", f"{sample.row:,}")
    return [name, *_cells(sample)]


def _cells(sample: Sample) -> Iterator[Markup]:
    yield _picture(sample.stored, f"{sample.label}, row {sample.row}, as stored")
    for number, picture in enumerate(sample.epochs, 1):
        text = f"{sample.label}, row {sample.row}, in epoch {number}"
        yield _picture(picture.pixels, text) + Markup("").join(Markup("<small>{}</small>").format(line) for line in picture.captions)


def _picture(pixels: np.ndarray, text: str) -> Markup:
    """A picture whose longer side has SIDE pixels. Small images keep their sharp pixels."""
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    if max(height, width) > MOST:
        small = Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)
        small.thumbnail((MOST, MOST))
        pixels = np.asarray(small).reshape(small.height, small.width, -1)
    colored = np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
    return image(colored, text, size=(round(width * scale), round(height * scale)), sharp=scale > 1)


def _settings(found: Augmented) -> Markup:
    return table(["field", "what it does"], [(Markup("<code>{}</code>").format(field), text) for field, text in found.settings], False)
