"""Samples of images with boxes for `netc data show`: pictures with the boxes drawn in, and the number of boxes of each class."""

import numpy as np

from netc import data
from netc.predict.boxes import Found, outlined

MOST_PICTURES, MOST_CLASSES, LOOKED_AT = 20, 20, 2000
COLUMNS = 8  # of the label blob
Pictures = list[tuple[str, np.ndarray]]


def is_boxed(described: data.Description) -> bool:
    """Whether the labels are boxes."""
    if len(described.tops) < 2:
        return False
    label = described.tops[1]
    return label.batch_axis is None and label.dtype == "float32" and label.shape[-1:] == (COLUMNS,)


def boxed(described: data.Description, source: data.Source, of_net: bool) -> tuple[list[str], Pictures]:
    """The numbers of boxes by class, and pictures with boxes. `of_net`: as training reads them, else without random changes."""
    count = min(source.rows or 0, MOST_PICTURES)
    images, labels = source.batch(0)[:2] if of_net else (source.stored(k, np.arange(count)) for k in (0, 1))
    flip = described.channels == "BGR" and images.shape[1] > 1
    pictures = [_drawn(described, image[::-1] if flip else image, labels, k) for k, image in enumerate(images[:count])]
    return _counts(described, source), pictures


def _drawn(described: data.Description, image: np.ndarray, labels: np.ndarray, number: int) -> tuple[str, np.ndarray]:
    low, high = float(image.min()), float(image.max())
    shown = image if low >= 0 and high > 1 else (image - low) * (255 / (high - low) if high > low else 0)
    height, width = image.shape[1:]
    found = [
        Found(_name(described, int(row[1])), int(row[1]), 1.0, tuple((row[3:7] * [width, height, width, height]).tolist()))
        for row in labels.reshape(-1, COLUMNS)
        if row[0] == number
    ]
    names = sorted({one.name for one in found})
    drawn = np.asarray(outlined(np.clip(shown, 0, 255).astype(np.uint8), found)).transpose(2, 0, 1)
    return ", ".join(names) or "no objects", drawn


def _name(described: data.Description, label: int) -> str:
    return described.classes[label] if 0 <= label < len(described.classes) else f"class {label}"


def _counts(described: data.Description, source: data.Source) -> list[str]:
    """A line for each class: boxes, images and difficult boxes of the first images, and the mean part of an image that a box covers."""
    rows = np.arange(min(source.rows or 0, LOOKED_AT))
    flat = source.stored(1, rows).reshape(-1, COLUMNS)
    flat = flat[flat[:, 0] >= 0]
    labels = np.unique(flat[:, 1]).astype(int).tolist()
    lines: list[tuple[str, ...]] = [("class", "boxes", "images", "difficult", "mean area")]
    for label in labels[:MOST_CLASSES]:
        own = flat[flat[:, 1] == label]
        area = float(((own[:, 5] - own[:, 3]) * (own[:, 6] - own[:, 4])).mean())
        counts = len(own), len(np.unique(own[:, 0])), int(own[:, 7].sum())
        lines.append((_name(described, label), *(f"{count:,}" for count in counts), f"{area:.1%}"))
    more = [f"... and {len(labels) - MOST_CLASSES} more classes"] if len(labels) > MOST_CLASSES else []
    return [f"{len(flat):,} boxes in {len(rows):,} images", *_aligned(lines), *more, ""]


def _aligned(lines: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    padded = ([cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True))] for line in lines)
    return ["  ".join(cells) for cells in padded]
