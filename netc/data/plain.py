"""A data layer for a data set without a net, for `netc data show` and `netc init`."""

import os
import zipfile
from pathlib import Path

from netc import netc_pb2 as pb
from netc.data.array_roles import choose
from netc.data.detection.kinds import has_boxes, lists_boxes
from netc.data.image_column import ImageColumn, find_image_column
from netc.data.sheet import SUFFIXES as TABLES
from netc.data.sources.arrays import headers_of, row_shape, seems_channels_last
from netc.data.sources.image_folder import common_size, common_size_of
from netc.data.sources.image_table import listed_images
from netc.errors import DataError
from netc.registry import dataset

SIDES = (28, 32, 48, 64, 96)  # sizes in pixels to which images of different sizes are resized
BOXED_SIDE = 300  # of images with boxes
TEXT_STEPS, SERIES_STEPS, WORDS = 64, 22, 6000


def plain_layer(source: str, base: str | Path = ".") -> pb.LayerParameter:
    """Return a layer with a batch size of 1 and the settings that its source requires."""
    if any("\ud800" <= letter <= "\udfff" for letter in source):
        raise DataError(f"{source}: This name is not UTF-8, so no net file can contain it. Rename the file.")
    layer = pb.LayerParameter(name="data", type="Data", top=["data", "label"])
    param, path = layer.data_param, Path(base) / Path(source).expanduser()
    param.source, param.batch_size = source, 1
    if source in dataset:
        _named(layer, source)
    elif path.suffix == ".txt":
        param.steps, param.test_fraction = TEXT_STEPS, 0.1
    elif path.suffix == ".npy" and path.is_file():
        layer.top[:] = ["data"]
        param.channels_last = bool(seems_channels_last(row_shape(path, "data")))
    elif path.suffix == ".npz" and path.is_file() and zipfile.is_zipfile(path):
        _of_arrays(layer, path)
    elif path.suffix.lower() in TABLES and lists_boxes(path):
        _of_boxes(layer)
    elif path.suffix.lower() in TABLES and (found := find_image_column(path)):
        _of_listed_images(layer, found, path, base)
    elif has_boxes(path):
        _of_boxes(layer)
    elif path.is_dir():
        _resize(layer, common_size(path))
    return layer


def _of_boxes(layer: pb.LayerParameter) -> None:
    """Read the images with their boxes, padded to one size."""
    layer.type = "AnnotatedData"
    resize = layer.transform_param.resize_param
    resize.height = resize.width = BOXED_SIDE
    resize.resize_mode = resize.FIT_LARGE_SIZE_AND_PAD


def _of_listed_images(layer: pb.LayerParameter, found: ImageColumn, path: Path, base: str | Path) -> None:
    """Set the column of images, and that of the labels if there is one other column."""
    param = layer.data_param
    param.image_column = found.name
    if found.folders[0] != path.parent:
        param.root_folder = os.path.relpath(found.folders[0], base)
    if len(found.others) == 1:
        param.label_column = found.others[0]
    else:
        layer.top[:] = ["data"]
    _resize(layer, common_size_of(listed_images(layer, base)))


def _resize(layer: pb.LayerParameter, size: tuple[int, int] | int) -> None:
    """Resize images of different sizes; `size` is the median of their shorter sides."""
    if size and isinstance(size, int):
        side = max([s for s in SIDES if s <= size], default=SIDES[0])
        layer.transform_param.resize_height = layer.transform_param.resize_width = side


def _of_arrays(layer: pb.LayerParameter, path: Path) -> None:
    """Set the arrays that a layer reads: `data` and `label`, or the ones whose names or shapes say that they are rows and labels."""
    param, there = layer.data_param, headers_of(path)
    if "data" not in there and there:
        param.arrays.extend(choose(path, there))
    elif "label" not in there:
        layer.top[:] = ["data"]
    rows = param.arrays[0] if param.arrays else "data"
    param.channels_last = rows in there and bool(seems_channels_last(there[rows][0][1:]))


def _named(layer: pb.LayerParameter, source: str) -> None:
    param = layer.data_param
    if source == "sst":
        layer.type, layer.tree_data_param.vocabulary_size = "TreeData", WORDS
        layer.top[:] = ["word", "child", "width", "label", "root_label"]
    elif source.startswith("sst_"):
        param.most_tokens = WORDS
        layer.top[:] = ["data", "label", "cont"]
    elif source == "tinyshakespeare":
        param.steps, param.test_fraction = TEXT_STEPS, 0.1
    elif source == "sunspots":
        param.steps, param.test_fraction = SERIES_STEPS, 0.2
