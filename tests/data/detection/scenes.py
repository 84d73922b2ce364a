"""Folders, files and databases of images with boxes, in a folder of a test."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from PIL import Image

from netc import data
from netc import netc_pb2 as pb
from netc.data.datum import to_datum

Objects = list[tuple[str, tuple[float, float, float, float]]]
PICTURES: dict[str, tuple[tuple[int, int], Objects]] = {  # height and width, objects in pixels
    "a": ((40, 60), [("cat", (6, 4, 30, 20)), ("dog", (30, 20, 60, 40)), ("cat", (0, 0, 15, 10))]),
    "b": ((30, 30), [("dog", (3, 6, 27, 24))]),
    "c": ((50, 40), []),
}


def layer(source: str | Path, fields: str = "", name: str = "data", batch: int = 3, annotated: str = "", transform: str = "") -> Any:
    """An AnnotatedData layer that reads `source`."""
    inner = transform or "resize_param { height: 20 width: 20 }"
    text = f"""name: "{name}" type: "AnnotatedData" top: "{name}" top: "label"
    data_param {{ source: "{source}" batch_size: {batch} {fields} }} annotated_data_param {{ {annotated} }} transform_param {{ {inner} }}"""
    return text_format.Parse(text, pb.LayerParameter())


def opened(source: str | Path, phase: str = "TEST", seed: int = 0, **fields: Any) -> data.Source:
    """The open source of such a layer."""
    return data.open(layer(source, **fields), phase, seed)


def pixels(name: str) -> np.ndarray:
    """The image of a picture, (height, width, 3)."""
    return np.random.default_rng(ord(name)).integers(0, 256, (*PICTURES[name][0], 3)).astype(np.uint8)


def write_images(folder: Path) -> Path:
    """Write the images into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        Image.fromarray(pixels(name)).save(folder / f"{name}.png")
    return folder


def voc(objects: Objects, size: tuple[int, int] | None = None, more: str = "") -> str:
    """The text of an annotation of Pascal VOC."""
    head = f"<size><width>{size[1]}</width><height>{size[0]}</height></size>" if size else ""
    body = "".join(
        f"<object><name>{name}</name>{more}<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, (x1, y1, x2, y2) in objects
    )
    return f"<annotation>{head}{body}</annotation>"


def write_voc(folder: Path) -> Path:
    """Images in JPEGImages and annotations in Annotations."""
    write_images(folder / "JPEGImages")
    (folder / "Annotations").mkdir(exist_ok=True)
    for name, (size, objects) in PICTURES.items():
        (folder / "Annotations" / f"{name}.xml").write_text(voc(objects, size))
    return folder


def write_coco(folder: Path) -> Path:
    """Images and a .json file beside them."""
    write_images(folder)
    ids = {"cat": 7, "dog": 9}
    images = [{"id": k, "file_name": f"{name}.png", "height": h, "width": w} for k, (name, ((h, w), _)) in enumerate(PICTURES.items())]
    found = [
        {"image_id": k, "category_id": ids[name], "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for k, (_, objects) in enumerate(PICTURES.values())
        for name, (x1, y1, x2, y2) in objects
    ]
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    (folder / "instances.json").write_text(json.dumps({"images": images, "annotations": found, "categories": categories}))
    return folder


def write_table(folder: Path) -> Path:
    """Images and a .csv file beside them. A row without a box is an image without objects."""
    write_images(folder)
    lines = ["path,label,xmin,ymin,xmax,ymax"]
    for name, (_, objects) in PICTURES.items():
        lines += [f"{name}.png,{label},{','.join(map(str, box))}" for label, box in objects] or [f"{name}.png,,,,,"]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    return folder


def annotated_datum(name: str) -> pb.AnnotatedDatum:
    """The entry of a database: an image of bytes in BGR order, with boxes by class."""
    (height, width), objects = PICTURES[name]
    found = pb.AnnotatedDatum(type=pb.AnnotatedDatum.BBOX, datum=to_datum(np.ascontiguousarray(pixels(name)[..., ::-1].transpose(2, 0, 1))))
    for label, kind in enumerate(("cat", "dog"), 1):
        own = [box for other, box in objects if other == kind]
        if own:
            group = found.annotation_group.add(group_label=label)
            for number, (x1, y1, x2, y2) in enumerate(own):
                box = pb.NormalizedBBox(xmin=x1 / width, ymin=y1 / height, xmax=x2 / width, ymax=y2 / height)
                group.annotation.add(instance_id=number, bbox=box)
    return found


def write_lmdb(folder: Path, values: dict[str, bytes] | None = None) -> Path:
    """An LMDB of these entries, by default of the pictures."""
    import lmdb

    with lmdb.open(str(folder), map_size=1 << 24) as database, database.begin(write=True) as transaction:
        for name, value in (values or {name: annotated_datum(name).SerializeToString() for name in PICTURES}).items():
            transaction.put(name.encode(), value)
    return folder


LABEL_MAP = """item { name: "none_of_the_above" label: 0 display_name: "background" }
item { name: "cat" label: 1 display_name: "Cat" }
item { name: "dog" label: 2 display_name: "Dog" }
"""
