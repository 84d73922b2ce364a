"""AnnotatedData: images with boxes from a database of SSD, a folder or file of annotations, or a data set that netc draws."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from netc.data.choice import check_there, database_kind, places_of
from netc.data.detection.annotated import Annotated
from netc.data.detection.database import annotated_database
from netc.data.detection.files import annotated_files
from netc.data.detection.label_map import Classes, read_label_map
from netc.data.detection.table import absent_boxes, box_table, stated_shape
from netc.data.named import catalogue
from netc.data.named.drawn_boxes import drawn_boxes
from netc.data.source import Request, Table
from netc.data.sources.leveldb import LevelDb
from netc.data.sources.lmdb import Lmdb
from netc.errors import DataError
from netc.registry import source
from netc.spec.places import there


@source("AnnotatedData", noun="images", channels="BGR")
def annotated_data(request: Request) -> Table:
    """Images with their boxes. Blue comes before red. If they are not there, the net may still state the size of the images."""
    if request.source and catalogue.record(request.source) is None and not there(request.path) and (shape := stated_shape(request.layer)):
        return absent_boxes(request.path.name, shape, partial(check_there, request))
    return box_table(request, annotated_of(request), bgr=True, parted=catalogue.record(request.source) is not None)


def annotated_of(request: Request) -> Annotated:
    """The images and boxes that a layer reads. DataError if there are none."""
    param, own = request.layer.data_param, request.layer.annotated_data_param
    if not request.source:
        text = "`source` is missing. Expected a database, a folder with boxes, a .json or .csv file, or the name of a data set."
        raise DataError(places_of(request).kind(None, text, field="source"))
    record = catalogue.record(request.source)
    if record is not None:
        if record.reader != "boxes":
            raise DataError(
                f"The data set {request.source!r} has no boxes. Expected one with boxes, such as 'shape_boxes'.", field="source"
            )
        return drawn_boxes(record, request.phase)
    stated = _classes(request)
    check_there(request)
    kind = database_kind(request.path) or ("leveldb" if param.backend == param.LEVELDB else "lmdb") * param.HasField("backend")
    if kind:
        return annotated_database(Lmdb(request.path) if kind == "lmdb" else LevelDb(request.path), stated, own.HasField("anno_type"))
    root = request.base / Path(param.root_folder).expanduser() if param.root_folder else request.path
    annotations = own.test_annotations if request.learned else own.annotations
    apart = request.base / Path(annotations).expanduser() if annotations else None
    return annotated_files(request.path, root if root.is_dir() else root.parent, apart, stated, request.path.name)


def _classes(request: Request) -> Classes | None:
    """The classes that the training rows, the net file or its label map state; None if the rows determine them."""
    if request.learned and request.learned.classes:
        return Classes.of(request.learned.classes)
    own = request.layer.annotated_data_param
    if own.label_map_file:
        path = request.base / Path(own.label_map_file).expanduser()
        if not there(path):
            raise DataError(replace(places_of(request).missing(own.label_map_file), field="label_map_file"))
        return read_label_map(path)
    return Classes.of(request.layer.data_param.classes) if request.layer.data_param.classes else None
