"""A data set of images with boxes, whatever its files are, and the check of its boxes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from netc.data.detection.boxes import COLUMNS, CORNERS, INSTANCE, LABEL, no_boxes
from netc.data.pixels import LeftOut
from netc.errors import DataError

BACKGROUND = "background"
MOST_NAMED = 3  # images in one sentence
Size = tuple[int, int]  # height and width


@dataclass(frozen=True)
class Annotated:
    """Images with boxes.

    `image(row)` returns bytes (channels, height, width), in RGB order unless `bgr`; `size(row)` its height and width without decoding it.
    `boxes` has the boxes of each image, and `place(row)` names the image. `classes` are the names by number, the background first; () if
    the files have numbers only. `parts` are the rows of each phase, if the files separate them. `strict`: boxes without area are errors.
    `content(row)` is the file of an image, if there is one.
    """

    name: str
    count: int
    image: Callable[[int], np.ndarray]
    size: Callable[[int], Size]
    boxes: Callable[[], tuple[np.ndarray, ...]]
    place: Callable[[int], str]
    classes: tuple[str, ...] = ()
    bgr: bool = False
    strict: bool = True
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)
    sha256: str = ""
    licence: str = ""
    content: Callable[[int], bytes] | None = None


@dataclass(frozen=True)
class Checked:
    """Boxes that a net can learn from, and a note for each kind of change."""

    boxes: tuple[np.ndarray, ...]
    notes: tuple[str, ...]

    @property
    def most(self) -> int:
        """The most boxes of an image, at least 1."""
        return max(1, *map(len, self.boxes)) if self.boxes else 1


def made_boxes(labels: Sequence[float], corners: Sequence[Sequence[float]], difficult: Sequence[bool] = ()) -> np.ndarray:
    """The boxes of an image from labels, corners that are parts of the image, and flags. Objects of a class are numbered from 0."""
    if not len(labels):
        return no_boxes()
    found = np.zeros((len(labels), COLUMNS), np.float32)
    found[:, LABEL], found[:, CORNERS] = labels, corners
    found[:, INSTANCE] = [list(labels[:k]).count(label) for k, label in enumerate(labels)]
    if len(difficult):
        found[:, -1] = difficult
    return found


def checked(data: Annotated, fix: bool) -> Checked:
    """Check all boxes. Boxes that reach beyond the image are cut off there; notes count them.

    DataError counts boxes without area, outside of the image, with infinite corners, and labels without a class. With `fix`, and in data
    sets that are not `strict`, boxes without area inside of the image are removed instead.
    """
    boxes = data.boxes()
    if not sum(map(len, boxes)):
        raise DataError(f"{data.name}: None of the {data.count:,} images has a box.")
    flat, rows = np.concatenate(boxes), np.repeat(np.arange(len(boxes)), [len(own) for own in boxes])
    corners = flat[:, CORNERS]
    infinite = ~np.isfinite(corners).all(1)
    inside = np.clip(np.where(infinite[:, None], 0, corners), 0, 1)
    cut = (inside != corners).any(1) & ~infinite
    empty = ((inside[:, 2:] - inside[:, :2]) <= 0).any(1) & ~infinite
    errors = [*_infinite(data, rows, infinite), *_labels(data, flat[:, LABEL], rows)]
    lenient = fix or not data.strict
    if not lenient or empty.all():
        errors += _empty(data, corners, rows, empty)
    if errors:
        raise DataError(*errors)
    kept = flat.copy()
    kept[:, CORNERS] = inside
    good = tuple(kept[(rows == row) & ~empty] for row in range(len(boxes))) if (cut | empty).any() else boxes
    return Checked(good, tuple(_notes(data, boxes, rows, cut & ~empty, empty)))


def _said(data: Annotated, rows: np.ndarray, wrong: np.ndarray) -> str:
    """How many boxes of how many images, and the first images."""
    images = np.unique(rows[wrong])
    count, of = int(wrong.sum()), len(images)
    few = "; ".join(data.place(int(row)) for row in images[:MOST_NAMED]) + ("; ..." if of > MOST_NAMED else "")
    return f"{count:,} of {len(rows):,} boxes, in {of:,} image{'s' if of > 1 else ''} ({few})"


def _infinite(data: Annotated, rows: np.ndarray, infinite: np.ndarray) -> Iterator[str]:
    if infinite.any():
        yield f"{data.name}: {_said(data, rows, infinite)}: a corner is not a finite number."


def _labels(data: Annotated, labels: np.ndarray, rows: np.ndarray) -> Iterator[str]:
    most = len(data.classes) - 1 if data.classes else np.inf
    wrong = (labels < 1) | (labels > most) | (labels != np.floor(labels))
    if wrong.any():
        values = ", ".join(f"{v:g}" for v in np.unique(labels[wrong])[:MOST_NAMED])
        wanted = f"1 to {most} ({', '.join(data.classes[1:4])}{', ...' if most > 3 else ''})" if data.classes else "1 or more"
        yield f"{data.name}: {_said(data, rows, wrong)}: no class has the label {values}. Expected {wanted}; 0 is the background."


def _empty(data: Annotated, corners: np.ndarray, rows: np.ndarray, empty: np.ndarray) -> Iterator[str]:
    turned = empty & ((corners[:, 2:] - corners[:, :2]) < 0).any(1)
    flat = empty & ~turned & ((corners[:, 2:] - corners[:, :2]) == 0).any(1)
    reasons = (
        (turned, "the right side is left of the left one, or the lower side above the upper one"),
        (flat, "the area is 0"),
        (empty & ~turned & ~flat, "the box is outside of the image"),
    )
    hint = "Correct them, or set `annotated_data_param: {fix_boxes: true}` to leave them out."
    for wrong, reason in reasons:
        if wrong.any():
            yield f"{data.name}: {_said(data, rows, wrong)}: {reason}. {hint}"


def _notes(data: Annotated, boxes: tuple[np.ndarray, ...], rows: np.ndarray, cut: np.ndarray, empty: np.ndarray) -> Iterator[str]:
    if cut.any():
        yield f"{data.name}: {_said(data, rows, cut)} reach beyond the image and are cut off at its border"
    if empty.any():
        yield f"{data.name}: {_said(data, rows, empty)} have no area in the image and are left out"
    if bare := sum(not len(own) for own in boxes):
        yield f"{data.name}: {bare:,} of {data.count:,} images have no boxes; they are learned as background"
