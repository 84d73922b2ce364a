"""The boxes of an image: float32 (boxes, 7) of label, instance, xmin, ymin, xmax, ymax and difficult. Coordinates are parts of the image.

The label blob of SSD has one more column in front, the number of the image in the batch.
"""

from collections.abc import Sequence

import numpy as np

from netc import netc_pb2 as pb

COLUMNS = 7
LABEL, INSTANCE, DIFFICULT = 0, 1, 6
CORNERS = slice(2, 6)
NONE = -1  # all values of a row of the label blob without a box
Region = tuple[float, float, float, float]  # xmin, ymin, xmax, ymax, as parts of the image
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)


def no_boxes() -> np.ndarray:
    """The boxes of an image without objects."""
    return np.zeros((0, COLUMNS), np.float32)


def areas(corners: np.ndarray) -> np.ndarray:
    """The areas of boxes (..., 4); 0 for a box whose sides are in the wrong order."""
    found: np.ndarray = np.maximum(corners[..., 2] - corners[..., 0], 0) * np.maximum(corners[..., 3] - corners[..., 1], 0)
    return found


def shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The areas (len(a), len(b)) that boxes (n, 4) and (m, 4) have in common."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(high - low, 0)
    found: np.ndarray = sides[..., 0] * sides[..., 1]
    return found


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union (len(a), len(b)) of boxes (n, 4) and (m, 4); 0 for two boxes without area."""
    both = shared(a, b)
    union = areas(a)[:, None] + areas(b)[None] - both
    return np.where(union > 0, both / np.where(union > 0, union, 1), 0)


def within(boxes: np.ndarray, region: Region, emit: pb.EmitConstraint | None = None) -> np.ndarray:
    """The boxes of a region of the image, with coordinates that are parts of the region. Parts of boxes outside of it are cut off.

    `emit` chooses the boxes; without it, all that have an area inside are kept. The region may reach beyond the image.
    """
    corners = boxes[:, CORNERS].astype(np.float64)
    kept = np.ones(len(boxes), bool) if emit is None else _emitted(corners, np.array(region), emit)
    xmin, ymin, xmax, ymax = region
    origin, size = np.array([xmin, ymin, xmin, ymin]), np.array([xmax - xmin, ymax - ymin] * 2)
    moved = np.clip((corners - origin) / size, 0, 1)
    kept &= areas(moved.astype(np.float32)) > 0
    found: np.ndarray = boxes[kept].copy()
    found[:, CORNERS] = moved[kept]
    return found


def _emitted(corners: np.ndarray, region: np.ndarray, emit: pb.EmitConstraint) -> np.ndarray:
    if emit.emit_type == emit.MIN_OVERLAP:
        inside = shared(corners, region[None])[:, 0]
        own = areas(corners)
        overlapping: np.ndarray = inside / np.where(own > 0, own, 1) > emit.emit_overlap
        return overlapping
    centers = (corners[:, :2] + corners[:, 2:]) / 2
    found: np.ndarray = ((centers >= region[:2]) & (centers <= region[2:])).all(1)
    return found


def mirrored(boxes: np.ndarray) -> np.ndarray:
    """The boxes of the image that is flipped left to right."""
    found = boxes.copy()
    found[:, 2], found[:, 4] = 1 - boxes[:, 4], 1 - boxes[:, 2]
    return found


def label_blob(images: Sequence[np.ndarray], most: int) -> np.ndarray:
    """The label blob 1 x 1 x (images * most) x 8 of the boxes of a batch.

    Each image has `most` rows: its boxes, then rows of -1. Only the first `most` boxes of an image are kept.
    """
    blob = np.full((len(images), most, COLUMNS + 1), NONE, np.float32)
    for number, boxes in enumerate(images):
        count = min(len(boxes), most)
        blob[number, :count, 0] = number
        blob[number, :count, 1:] = boxes[:count]
    return blob.reshape(1, 1, len(images) * most, COLUMNS + 1)
