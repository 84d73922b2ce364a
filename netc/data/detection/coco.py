"""Annotations of COCO: one .json file with the images, the categories, and the boxes as left, top, width and height in pixels."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.data.detection.voc import Objects
from netc.errors import DataError
from netc.files import read_file


@dataclass(frozen=True)
class Coco:
    """The objects of each image by its path, in the order of the file, and the names of the categories in the order of their ids."""

    images: dict[str, Objects]
    classes: tuple[str, ...]


def read_coco(path: Path) -> Coco:
    """Read a .json file. DataError counts what is wrong with it."""
    try:
        said = json.loads(read_file(path))
    except OSError as e:
        raise DataError(f"Cannot read {path}: {e.strerror or e}") from e
    except (ValueError, RecursionError) as e:
        raise DataError(f"{path} is not JSON: {e}") from e
    missing = [key for key in ("images", "annotations", "categories") if not isinstance(_at(said, key), list)]
    if missing:
        raise DataError(f"{path} is not an annotation file of COCO: it has no list {', '.join(map(repr, missing))}.")
    try:
        names = {int(c["id"]): str(c["name"]) for c in said["categories"]}
        sizes = {_id(i["id"]): (str(i["file_name"]), int(i.get("height", 0)), int(i.get("width", 0))) for i in said["images"]}
        boxes = [
            (_id(a["image_id"]), int(a["category_id"]), tuple(map(float, a["bbox"])), bool(a.get("iscrowd"))) for a in said["annotations"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        text = "Expected images with id and file_name, annotations with image_id, category_id and bbox, categories with id and name"
        raise DataError(f"{path} is not an annotation file of COCO: {type(e).__name__} {e}. {text}.") from e
    if errors := _wrong(path, names, sizes, boxes):
        raise DataError(*errors)
    own: dict[str, list[tuple[str, tuple[float, ...], bool]]] = {file: [] for file, _, _ in sizes.values()}
    for image, category, (left, top, width, height), crowd in boxes:
        own[sizes[image][0]].append((names[category], (left, top, left + width, top + height), crowd))
    size = {file: (height, width) for file, height, width in sizes.values()}
    images = {
        file: Objects(tuple(n for n, _, _ in found), tuple(b for _, b, _ in found), tuple(c for _, _, c in found), size[file])
        for file, found in own.items()
    }
    return Coco(images, tuple(names[k] for k in sorted(names)))


def _at(said: Any, key: str) -> Any:
    return said.get(key) if isinstance(said, dict) else None


def _id(value: Any) -> str:
    return str(value)


def _wrong(path: Path, names: dict[int, str], sizes: dict[str, tuple[str, int, int]], boxes: list[Any]) -> list[str]:
    errors = []
    if lost := sum(image not in sizes for image, *_ in boxes):
        errors.append(f"{path}: {lost:,} of {len(boxes):,} annotations are of images that the file does not list.")
    if lost := sum(category not in names for _, category, *_ in boxes):
        unknown = sorted({category for _, category, *_ in boxes if category not in names})[:3]
        errors.append(f"{path}: {lost:,} of {len(boxes):,} annotations have a category that the file does not list, such as {unknown[0]}.")
    if short := sum(len(box) != 4 for _, _, box, _ in boxes):
        errors.append(f"{path}: {short:,} of {len(boxes):,} boxes do not have four numbers.")
    for what, counts in (("images", Counter(file for file, _, _ in sizes.values())), ("categories", Counter(names.values()))):
        if twice := [name for name, count in counts.items() if count > 1]:
            errors.append(f"{path}: {len(twice):,} {what} are there more than once, such as {twice[0]!r}.")
    if not sizes:
        errors.append(f"{path}: The file lists no images.")
    return errors
