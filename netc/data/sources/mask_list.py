"""Images with masks from a text file with lines `image mask`: ImageSegData of DeepLab and PSPNet, DenseImageData of SegNet and ENet.

Pixels are bytes, channels-first, in BGR order or with one grey channel. A mask is read as in `masks`, (1, height, width).
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.choice import check_there
from netc.data.decoding import each, in_memory, skips
from netc.data.pixels import read_header
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.sources.image_folder import MEMORY
from netc.data.sources.image_list import ListedImages
from netc.data.sources.masks import Masks, check_sizes
from netc.data.workers import workers_of
from netc.errors import DataError, Diagnostic, Place
from netc.files import read_text
from netc.registry import source
from netc.spec.places import below, there

Images = pb.ImageDataParameter


@dataclass(frozen=True)
class Planes:
    """Masks with an axis for their one channel: (rows, 1, height, width)."""

    masks: Masks

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return self.masks[rows][:, None]


@dataclass(frozen=True)
class Constant:
    """A label for each pixel of an image: (rows, 1, height, width)."""

    labels: np.ndarray
    size: tuple[int, int]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.labels[rows].reshape(-1, 1, 1, 1), (len(rows), 1, *self.size))


@source("DenseImageData", noun="images", channels="BGR")
def dense_image_data(request: Request) -> Table:
    """Images and masks. With new_height and new_width both are resized, masks by the nearest pixel."""
    param = request.layer.dense_image_data_param
    if not param.label_divide_factor:
        raise DataError("`label_divide_factor` must be at least 1.", field="label_divide_factor")
    return _table(request, param, Images.PIXEL, int(param.label_divide_factor))


@source("ImageSegData", noun="images", channels="BGR")
def image_seg_data(request: Request) -> Table:
    """Images and masks, or a label for all pixels (`label_type`). A third top holds the height and width of each image."""
    return _table(request, request.layer.image_data_param, request.layer.image_data_param.label_type, 1)


def _table(request: Request, param: Any, label_type: int, factor: int) -> Table:
    if bool(param.new_height) != bool(param.new_width):
        set_, other = ("new_height", "new_width") if param.new_height else ("new_width", "new_height")
        raise DataError(f"`{set_}` is set and `{other}` is not. Set both or neither.", field=set_)
    channels, size = 3 if param.is_color else 1, (int(param.new_height), int(param.new_width))
    listed = there(request.path)
    if not listed and not all(size):
        check_there(request)
    lines = _lines(request.path, label_type) if listed else []
    root = request.base / param.root_folder
    paths = tuple(below(root, line[0]) for line in lines)
    first = read_header(paths[0]) if not all(size) else None
    height, width = (first.height, first.width) if first else size
    less = height // factor, width // factor
    tops = [TopSpec("float32", (channels, height, width)), TopSpec("int64", (1, *less), mask=factor == 1)]
    tops += [TopSpec("float32", (1, 1, 2))] if request.layer.type == "ImageSegData" else []
    described = Description(request.path.name, tuple(tops), len(lines) if listed else None)
    if not listed:
        return Table(described, lambda: _not_there(request), absent=True)
    images = ListedImages(paths, (channels, height, width), all(size), workers_of(request.layer))
    labels = _labels(request, [line[1] for line in lines], root, label_type, less)

    def load() -> tuple[Column, ...]:
        if isinstance(labels, Planes) and not all(size) and factor == 1 and (wrong := check_sizes(paths, labels.masks.paths)):
            raise DataError(*wrong)
        small = len(paths) * prod(images.shape) <= MEMORY
        columns = (in_memory(images, len(paths), skips(request)) if small else images), labels
        return (*columns, _sizes(request, paths)) if len(tops) > 2 else columns

    return Table(
        described, load, all_phases=True, notes=images.left_out.notes,
        place=lambda top, row: f"{request.path}:{lines[row][2]}:1",
    )  # fmt: skip


def _not_there(request: Request) -> tuple[Column, ...]:
    check_there(request)
    raise DataError(f"{request.path}: The list was not there when the net was read.")


def _lines(listing: Path, label_type: int) -> list[tuple[str, str, int]]:
    """The image, its label and the number of each line. DataError lists the lines with other than the expected number of words."""
    try:
        texts = read_text(listing).split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {listing} as a list of images: {getattr(e, 'strerror', None) or e}") from e
    found, errors = [], []
    for number, words in enumerate(map(str.split, texts), 1):
        if len(words) == 2 or (len(words) == 1 and label_type == Images.NONE):
            found.append((words[0], words[-1], number))
        elif words:
            wanted = ("the path of an image", "an image and a whole number", "an image and its mask")[label_type]
            text = f"Expected {wanted}, got {' '.join(words)[:200]!r}."
            errors.append(Diagnostic(Place(str(listing), number, 1), text))
    if errors or not found:
        raise DataError(*(errors or [Diagnostic(Place(str(listing)), "The file lists no images.")]))
    return found


def _labels(request: Request, cells: list[str], root: Path, label_type: int, size: tuple[int, int]) -> Planes | Constant:
    """The column of the labels."""
    if label_type == Images.PIXEL:
        return Planes(Masks(tuple(below(root, cell) for cell in cells), size, workers_of(request.layer)))
    if label_type == Images.NONE:
        return Constant(np.full(len(cells), request.layer.image_data_param.ignore_label, np.int64), size)
    if wrong := [cell for cell in cells if not cell.lstrip("-").isdecimal()]:
        text = f"{request.path}: Expected a whole number for each image, got {wrong[0]!r}. For masks, set `label_type: PIXEL`."
        raise DataError(text, field="label_type")
    return Constant(np.array(cells, np.int64), size)


def _sizes(request: Request, paths: tuple[Path, ...]) -> np.ndarray:
    """The height and width of each image, at most those of the crop, (rows, 1, 1, 2)."""
    crop = request.layer.transform_param.crop_size or np.inf
    headers = each(read_header, paths)
    return np.array([[[[min(h.height, crop), min(h.width, crop)]]] for h in headers], np.float32)
