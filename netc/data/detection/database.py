"""Databases of AnnotatedDatum messages: images with boxes, in the order of the keys (SSD's create_annoset)."""

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
from google.protobuf.message import DecodeError

from netc import netc_pb2 as pb
from netc.data.datum import to_pixels
from netc.data.detection.annotated import Annotated, made_boxes
from netc.data.detection.boxes import INSTANCE
from netc.data.detection.label_map import Classes
from netc.data.pixels import LeftOut
from netc.data.sources.database import Store
from netc.errors import DataError

CHUNK = 256  # entries that are read together
WRONG = {
    "damaged": "are no messages at all",
    "plain": "are plain Datum messages, images with one label each. Read the database with a Data layer, or make one of boxes with "
    "`netc data convert-annoset`",
    "untyped": "do not state the type of their annotations. If they have boxes, set `annotated_data_param: {anno_type: BBOX}`",
}


def annotated_database(store: Store, stated: Classes | None, typed: bool) -> Annotated:
    """The data set of a database. `typed`: the layer states that the annotations are boxes. DataError if its entries are others."""
    if not store.count:
        raise DataError(f"{store.path}: The database is empty.")
    left_out = LeftOut()
    _check(store, [_kind(_message(store, 0), typed)], of=1)

    def image(row: int) -> np.ndarray:
        ((key, value),) = store.read([row])
        pixels = to_pixels(pb.AnnotatedDatum.FromString(value).datum, _place(store, key), left_out)
        if pixels.dtype != np.uint8:
            raise DataError(f"{_place(store, key)}: The image is floats. Expected bytes, from 0 to 255.")
        return pixels

    def size(row: int) -> tuple[int, int]:
        height, width = image(row).shape[1:]
        return height, width

    return Annotated(
        store.path.name, store.count, image, size, cache(partial(_all_boxes, store, typed)),
        lambda row: _place(store, store.read([row])[0][0]), stated.names if stated else (), bgr=True, strict=False, left_out=left_out,
    )  # fmt: skip


def _place(store: Store, key: bytes) -> str:
    return f"{store.path}: {key.decode(errors='replace')}"


def _message(store: Store, row: int) -> pb.AnnotatedDatum | None:
    return _parsed(store.read([row])[0][1])


def _parsed(value: bytes) -> pb.AnnotatedDatum | None:
    """The message in an entry; None for one that is damaged."""
    try:
        return pb.AnnotatedDatum.FromString(value)
    except DecodeError:
        return None


def _kind(found: pb.AnnotatedDatum | None, typed: bool) -> str:
    """What is wrong with an entry, as a key of WRONG; "" if nothing is."""
    if found is None:
        return "damaged"
    if not found.HasField("datum"):
        return "plain"
    return "" if typed or found.HasField("type") else "untyped"


def _check(store: Store, kinds: Sequence[str], of: int) -> None:
    errors = [
        f"{store.path}: {kinds.count(kind):,} of {of:,} {'entries' if of > 1 else 'entry'} that netc read {text}."
        for kind, text in WRONG.items()
        if kind in kinds
    ]
    if errors:
        raise DataError(*errors)


def _all_boxes(store: Store, typed: bool) -> tuple[np.ndarray, ...]:
    """The boxes of all entries. DataError counts the entries that have another form."""
    found, kinds = list[np.ndarray](), list[str]()
    for first in range(0, store.count, CHUNK):
        for _, value in store.read(range(first, min(first + CHUNK, store.count))):
            message = _parsed(value)
            kinds.append(_kind(message, typed))
            found.append(_boxes(message or pb.AnnotatedDatum()))
    _check(store, kinds, of=store.count)
    return tuple(found)


def _boxes(message: pb.AnnotatedDatum) -> np.ndarray:
    every = [(group.group_label, a.instance_id, a.bbox) for group in message.annotation_group for a in group.annotation]
    corners = [(box.xmin, box.ymin, box.xmax, box.ymax) for _, _, box in every]
    boxes = made_boxes([label for label, _, _ in every], corners, [box.difficult for _, _, box in every])
    boxes[:, INSTANCE] = [number for _, number, _ in every]
    return boxes
