"""The reader of the drawn data set of boxes: shapes on textures, the same on every machine."""

from functools import cache, lru_cache

import numpy as np

from netc.data.detection.annotated import Annotated, made_boxes
from netc.data.detection.table import box_table
from netc.data.named.dataset import DataSet
from netc.data.named.drawn import MOST_SHAPES, below, inside, striped
from netc.data.named.readers import reader
from netc.data.source import Request, Table
from netc.random import integers

PER_IMAGE = 16 + 16 * MOST_SHAPES  # random numbers
LEAST, HIDDEN = 0.35, 0.7  # the part of a shape that must be visible, and the part below which it is difficult


@reader("boxes")
def read_boxes(request: Request, record: DataSet) -> Table:
    """Images of shapes on textures, and the boxes of the shapes."""
    return box_table(request, drawn_boxes(record, request.phase), bgr=False, parted=True)


def drawn_boxes(record: DataSet, phase: str) -> Annotated:
    """Discs, squares and triangles on striped textures with noise. A shape of which much is hidden is difficult."""
    part = "TRAIN" if phase == "TRAIN" else "TEST"
    size = int(record.options["height"]), int(record.options["width"])
    scenes = cache(lambda: _scenes(part, record.rows[part], size))
    return Annotated(
        record.name, record.rows[part], lambda row: scenes()[0][row], lambda row: size, lambda: scenes()[1],
        lambda row: f"{record.name}: {row}",
        record.classes, licence=record.licence,
    )  # fmt: skip


@lru_cache(maxsize=2)
def _scenes(phase: str, rows: int, size: tuple[int, int]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    images = np.empty((rows, 3, *size), np.uint8)
    luck, boxes = integers(0, f"boxes/{phase}", 2**32, (rows, PER_IMAGE)), list[np.ndarray]()
    for row in range(rows):
        scene, own = _scene(luck[row], size)
        noise = integers(0, f"boxes/{phase}/noise", 41, scene.shape, iteration=row) - 20
        images[row] = np.clip(scene + noise, 0, 255)
        boxes.append(own)
    return images, tuple(boxes)


def _scene(luck: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The image without noise, and its boxes. Later shapes hide earlier ones."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    image, owner = striped(luck[:16], x, y, 3), np.full(size, -1)
    kinds, shapes = list[int](), list[np.ndarray]()
    for numbers in luck[16:].reshape(MOST_SHAPES, 16)[: 1 + below(luck[15], MOST_SHAPES)]:
        kind, radius = 1 + below(numbers[0], 3), 8 + below(numbers[1], min(size) // 4)
        dx = x - (radius + below(numbers[2], width - 2 * radius))
        dy = y - (radius + below(numbers[3], height - 2 * radius))
        shape = inside(kind, dx, dy, below(numbers[4], 2 * radius + 1) - radius, radius, radius)
        image[:, shape] = striped(np.roll(numbers, 8), x, y, 3)[:, shape]
        owner[shape] = len(kinds)
        kinds.append(kind)
        shapes.append(shape)
    visible = [float((owner == k).sum()) / max(1, int(shape.sum())) for k, shape in enumerate(shapes)]
    kept = [k for k, part in enumerate(visible) if part >= LEAST]
    corners = [_corners(shapes[k], size) for k in kept]
    return image, made_boxes([kinds[k] for k in kept], corners, [visible[k] < HIDDEN for k in kept])


def _corners(shape: np.ndarray, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The box around the pixels of a shape that are in the image."""
    rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
    height, width = size
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
