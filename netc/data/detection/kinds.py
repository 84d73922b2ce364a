"""Whether a folder, a file or a database has boxes, from its content."""

import csv
from pathlib import Path

from google.protobuf.message import DecodeError

from netc import netc_pb2 as pb
from netc.data.choice import database_kind
from netc.data.detection.listing import NAMES, REQUIRED
from netc.data.sheet import SUFFIXES as TABLES
from netc.data.sources.leveldb import LevelDb
from netc.data.sources.lmdb import Lmdb
from netc.errors import DataError
from netc.files import open_plain

HEAD = 4096  # bytes of a file that are looked at


def has_boxes(path: Path) -> bool:
    """Whether there are images with boxes: a database of AnnotatedDatum, COCO's .json, or a folder with .xml, .json or .csv files."""
    if kind := database_kind(path):
        return _annotated(path, kind)
    if path.is_dir():
        below = (child for child in path.rglob("*") if child.is_file())
        return any(_describes_boxes(child) for child in below if child.suffix.lower() in (".xml", ".json", *TABLES))
    return path.suffix.lower() == ".json" and _describes_boxes(path)


def lists_boxes(path: Path) -> bool:
    """Whether a table has the columns of boxes."""
    try:
        first = _head(path).decode("utf-8-sig", "replace").splitlines()[:1]
    except OSError:
        return False
    header = {cell.strip().lower() for cell in next(csv.reader(first, delimiter="\t" if path.suffix.lower() == ".tsv" else ","), [])}
    return all(header & set(NAMES[name]) for name in REQUIRED)


def _head(path: Path) -> bytes:
    with open_plain(path) as file:
        content: bytes = file.read(HEAD)
        return content


def _describes_boxes(path: Path) -> bool:
    if path.suffix.lower() in TABLES:
        return lists_boxes(path)
    try:
        head = _head(path)
    except OSError:
        return False
    return b"<annotation" in head if path.suffix.lower() == ".xml" else b'"images"' in head or b'"annotations"' in head


def _annotated(path: Path, kind: str) -> bool:
    try:
        store = Lmdb(path) if kind == "lmdb" else LevelDb(path)
        return bool(store.count) and pb.AnnotatedDatum.FromString(store.read([0])[0][1]).HasField("datum")
    except (DataError, DecodeError):
        return False  # reading it gives the error
