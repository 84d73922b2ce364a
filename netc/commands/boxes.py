"""`netc data convert-annoset`: images with boxes as a database."""

from pathlib import Path

from netc import netc_pb2 as pb
from netc import registry
from netc.data.detection.label_map import label_map
from netc.data.detection.writing import BoxSet, write_boxes
from netc.data.source import Request
from netc.data.sources.annotated import annotated_of
from netc.formats.by_suffix import put


def convert(source: str, database: str, annotations: str, names: str, wanted: BoxSet) -> tuple[str, list[str]]:
    """Write the database, and the label map `names` if it is not there. Returns the message for the user, and notes."""
    registry.load()
    layer = pb.LayerParameter(name="data", type="AnnotatedData", top=["data", "label"])
    layer.data_param.source, layer.annotated_data_param.annotations = source, annotations
    known = bool(names) and Path(names).exists()
    if known:
        layer.annotated_data_param.label_map_file = names
    data = annotated_of(Request(layer, wanted.phase or "TRAIN", source=source))
    images, boxes, notes = write_boxes(data, wanted, database)
    text = f"{database} is written: {images:,} images with {boxes:,} boxes of {max(0, len(data.classes) - 1):,} classes"
    if names and not known:
        put(names, label_map(data.classes).encode())
        text += f"; {names} has their names"
    return text, notes
