"""Databases of images with boxes, as SSD's create_annoset writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.datum import checksum, to_datum
from netc.data.detection.annotated import Annotated, Checked, checked
from netc.data.detection.boxes import CORNERS, DIFFICULT, INSTANCE, LABEL
from netc.data.detection.resizing import interpolated
from netc.data.sources.lmdb import write_messages
from netc.errors import DataError
from netc.random import permutation


@dataclass(frozen=True)
class BoxSet:
    """Which images a database contains, and how they are stored.

    `size` is (height, width), with 0 to keep the original size. `seed` shuffles the images, with None to keep their order. `encoded` stores
    the image files as they are. `fix` leaves out boxes without area. `phase` chooses a part, "" for all images.
    """

    seed: int | None = None
    size: tuple[int, int] = (0, 0)
    encoded: bool = False
    fix: bool = False
    phase: str = ""


def write_boxes(data: Annotated, wanted: BoxSet, database: str | Path) -> tuple[int, int, list[str]]:
    """Write a new LMDB of AnnotatedDatum messages, under keys `%08d_name`. Returns the numbers of images and boxes, and notes.

    DataError lists boxes that no net can learn from, before anything is written.
    """
    if bool(wanted.size[0]) != bool(wanted.size[1]):
        raise DataError("Only one of height and width is given. Give both or neither.")
    if wanted.encoded and (data.content is None or any(wanted.size)):
        raise DataError("--encoded stores image files as they are: without a new size, and from files only.")
    if wanted.phase and not data.parts:
        raise DataError(f"{data.name}: It has no parts, so there are no images for {wanted.phase}.")
    boxes = checked(data, wanted.fix)
    rows = data.parts[wanted.phase] if wanted.phase else np.arange(data.count)
    if wanted.seed is not None:
        rows = rows[permutation(wanted.seed, "convert-annoset", len(rows))]
    count = write_messages(database, _items(data, boxes, rows.tolist(), wanted))
    return count, sum(len(boxes.boxes[row]) for row in rows.tolist()), [*boxes.notes, *data.left_out.notes()]


def _items(data: Annotated, boxes: Checked, rows: list[int], wanted: BoxSet) -> Iterator[tuple[bytes, pb.AnnotatedDatum]]:
    for number, row in enumerate(rows):
        yield f"{number:08d}_{Path(data.place(row)).name}".encode(), _message(_datum(data, row, wanted), boxes.boxes[row])


def _datum(data: Annotated, row: int, wanted: BoxSet) -> pb.Datum:
    if wanted.encoded and data.content is not None:
        height, width = data.size(row)
        datum = pb.Datum(data=data.content(row), encoded=True, channels=3, height=height, width=width)
    else:
        image = data.image(row)
        image = image if data.bgr or len(image) == 1 else image[::-1]  # BGR, as in OpenCV
        datum = to_datum(np.ascontiguousarray(interpolated(image, *wanted.size, None) if any(wanted.size) else image))
    datum.label = -1
    datum.checksum = checksum(datum)
    return datum


def _message(datum: pb.Datum, boxes: np.ndarray) -> pb.AnnotatedDatum:
    message = pb.AnnotatedDatum(datum=datum, type=pb.AnnotatedDatum.BBOX)
    for label in np.unique(boxes[:, LABEL]):
        group = message.annotation_group.add(group_label=int(label))
        for box in boxes[boxes[:, LABEL] == label]:
            xmin, ymin, xmax, ymax = box[CORNERS].tolist()
            found = pb.NormalizedBBox(xmin=xmin, ymin=ymin, xmax=xmax, ymax=ymax, difficult=bool(box[DIFFICULT]))
            group.annotation.add(instance_id=int(box[INSTANCE]), bbox=found)
    return message
