"""A starter net for a table that lists images: a column of paths and a column of labels."""

from collections import Counter
from pathlib import Path

import numpy as np

from netc import data
from netc import netc_pb2 as pb
from netc.commands.init import nets
from netc.commands.init.images import BYTES, resized, small_side
from netc.commands.init.starter import HELD_OUT, Starter, Wanted
from netc.data.cells import whole
from netc.data.class_folders import counted, in_words
from netc.data.image_column import ImageColumn, find_image_column
from netc.data.sources.image_folder import common_size_of
from netc.data.sources.image_table import listed_images, names_parts, read_listing
from netc.errors import DataError, SpecError, near

LABELS = ("label", "labels", "class", "class_name", "category", "target", "y")  # names of columns that are labels
RARE = 3  # images: a class with fewer is rare


def recognise(wanted: Wanted) -> bool:
    """Whether the data is a table with a column of image files."""
    return not wanted.is_named and find_image_column(wanted.path) is not None


def starter(wanted: Wanted) -> Starter:
    """A convolutional net that predicts the label, a class or a number, from the images."""
    found = find_image_column(wanted.path)
    if found is None:
        raise DataError(f"{wanted.path}: No column has the paths of images.")
    label = _label(wanted, found)
    layer = pb.LayerParameter(type="Data", top=["data", "label"])
    param = layer.data_param
    param.source, param.batch_size, param.image_column, param.label_column = wanted.source, 1, found.name, label
    fields = [f"image_column: {nets.scalar(found.name)}", f"label_column: {nets.scalar(label)}"]
    folder = _folder(wanted, found)
    if folder != wanted.path.parent:
        param.root_folder = wanted.from_base(folder)
        fields.append(f"root_folder: {nets.scalar(param.root_folder)}")
    part = _part_column(wanted, found, label)
    if part:
        param.part_column = part
        fields.append(f"part_column: {nets.scalar(part)}")
    size = common_size_of(listed_images(layer, wanted.base))
    side = small_side(layer, size)
    described = data.describe(layer, "TRAIN", wanted.base)
    if _is_measured(described):
        param.regression = True
        fields.append("regression: true")
        described = data.describe(layer, "TRAIN", wanted.base)
    about = nets.About(wanted.target.stem, str(wanted.target), wanted.source, described.rows or 0, fields=tuple(fields))
    phases = ["TEST", *(["VALIDATION"] if described.has_validation else [])] if part else []
    counts = {phase: data.describe(layer, phase, wanted.base).rows or 0 for phase in phases}
    about = about.with_parts(counts) if counts else about.held_out(HELD_OUT)
    notes = [*([f"The paths start from {folder}."] if param.root_folder else []), *_ignored(found, label, part)]
    if described.tops[1].dtype == "int64":
        notes += _classes(wanted, layer, described, label)
    shape, count = described.tops[0].sizes, len(described.classes)
    text = nets.images(about, count, nets.Picture(shape, side, shape[0] == 3, *BYTES))
    what = f"of {count} classes" if count else f"and the number {label!r} to predict"
    return Starter(text, f"{counted(range(about.rows), 'image')} {what}{resized(size, side)}", tuple(notes))


def _label(wanted: Wanted, found: ImageColumn) -> str:
    """The column that the user names, the only one, or the only one whose name says so."""
    if len(wanted.labels) > 1:
        raise SpecError(f"--label is given {len(wanted.labels)} times. A net for images predicts one column.")
    if wanted.labels:
        if wanted.labels[0] not in found.others:
            text = "has the images" if wanted.labels[0] == found.name else "is not one of its columns"
            raise SpecError(f"{wanted.path}: {wanted.labels[0]!r} {text}. {near(wanted.labels[0], found.others)}")
        return wanted.labels[0]
    if not found.others:
        raise DataError(f"{wanted.path}: Column {found.name!r} has images, and there is no other column. Add one with their labels.")
    likely = [name for name in found.others if name.lower() in LABELS]
    if len(found.others) > 1 and len(likely) != 1:
        raise SpecError(f"{wanted.path}: Choose the column to predict with --label NAME. The columns are {', '.join(found.others)}.")
    return found.others[0] if len(found.others) == 1 else likely[0]


def _folder(wanted: Wanted, found: ImageColumn) -> Path:
    """The folder that the paths start from. DataError if there are several."""
    if len(found.folders) > 1:
        names = ", ".join(map(str, found.folders))
        raise DataError(
            f"{wanted.path}: The images in column {found.name!r} are in several folders: {names}. Move the table into one of them."
        )
    return found.folders[0]


def _part_column(wanted: Wanted, found: ImageColumn, label: str) -> str:
    """The column that names the part of each row; empty if there is none."""
    sheet = read_listing(wanted.path)
    others = [name for name in found.others if name != label and sheet.header.count(name) == 1]
    return next((name for name in others if names_parts([row[sheet.header.index(name)] for row in sheet.rows])), "")


def _ignored(found: ImageColumn, label: str, part: str) -> list[str]:
    """A note on the columns that the net does not read."""
    others = [name for name in found.others if name not in (label, part)]
    some = ", ".join(others[:8]) + (", ..." if len(others) > 8 else "")
    return [f"The net predicts {label!r} from the images alone. Not read: {counted(others, 'column')} ({some})."] if others else []


def _is_measured(described: data.Description) -> bool:
    """Whether the labels are whole numbers that differ in most rows, so that they are hardly classes."""
    return len(described.classes) > (described.rows or 0) / 2 and all(whole(name) for name in described.classes)


def _classes(wanted: Wanted, layer: pb.LayerParameter, described: data.Description, label: str) -> list[str]:
    """Notes on rare classes. DataError if there are less than two classes, or about as many as images."""
    rows, classes = described.rows or 0, described.classes
    if len(classes) < 2:
        raise DataError(f"{wanted.path}: All rows have the same {label!r}, {classes[0]!r}. A classifier needs two classes or more.")
    if len(classes) > rows / 2:
        text = f"Column {label!r} has {len(classes):,} different texts in {rows:,} rows, so they are hardly classes."
        raise DataError(f"{wanted.path}: {text} Name another column with --label.")
    opened = data.open(layer, "TRAIN", 0, wanted.base)
    counts = Counter(opened.stored(1, np.arange(rows)).tolist())
    rare = [name for k, name in enumerate(classes) if counts[k] < RARE]
    return [f"Less than {RARE} images: {in_words(rare)}."] if rare else []
