"""ImageData: images and labels from a text file with a path and a number on each line, in Caffe's format.

Pixels are bytes, channels-first, in BGR order or with one grey channel. Paths are relative to root_folder.
"""

import re
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netc.data.bilinear import resize
from netc.data.choice import check_there
from netc.data.decoding import each, in_memory, skips
from netc.data.pixels import LeftOut, read_image
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.sources.image_folder import MEMORY
from netc.data.undecodable import UndecodableError
from netc.data.workers import Workers, workers_of
from netc.errors import DataError, Diagnostic, Place
from netc.files import read_text
from netc.registry import source
from netc.spec.places import below, there


@source("ImageData", noun="images", channels="BGR")
def image_data(request: Request) -> Table:
    """Images and their labels. Images are resized to new_height x new_width; without these, all must have the size of the first."""
    param = request.layer.image_data_param
    if bool(param.new_height) != bool(param.new_width):
        raise DataError(
            "Only one of `new_height` and `new_width` is set. Set both or neither.", field="new_height" if param.new_height else "new_width"
        )
    channels, size = 3 if param.is_color else 1, (int(param.new_height), int(param.new_width))
    if not there(request.path):
        return _absent(request, (channels, *size))
    listed, root = read_list(request.path), request.base / param.root_folder
    paths, labels = tuple(below(root, line.path) for line in listed), np.array([line.label for line in listed], np.int64)
    shape = (channels, *size) if param.new_height else _first(paths, channels, skips(request)).shape
    images = ListedImages(paths, shape, bool(param.new_height), workers_of(request.layer))

    def load() -> tuple[Column, ...]:
        small = len(paths) * prod(shape) <= MEMORY
        return (in_memory(images, len(paths), skips(request)) if small else images), labels

    described = Description(request.path.name, (TopSpec("float32", shape), TopSpec("int64", ())), len(paths))
    return Table(
        described, load, all_phases=True, notes=images.left_out.notes, place=lambda top, row: f"{request.path}:{listed[row].number}:1"
    )


def _absent(request: Request, size: tuple[int, ...]) -> Table:
    """The table of a list that is not there. Its images have a size if the layer states one. DataError if it does not."""
    crop = int(request.layer.transform_param.crop_size)
    shape = size if all(size) else (size[0], crop, crop)
    if not all(shape):
        check_there(request)

    def load() -> tuple[Column, ...]:
        check_there(request)
        raise DataError(f"{request.path}: The list was not there when the net was read.")

    tops = TopSpec("float32", shape), TopSpec("int64", ())
    return Table(Description(request.path.name, tops, None), load, absent=True)


@dataclass(frozen=True)
class ListedImages:
    """A column of images that are decoded on demand."""

    paths: tuple[Path, ...]
    shape: tuple[int, ...]
    resized: bool
    workers: Workers
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape), np.uint8)

        def read(i: int) -> None:
            path = self.paths[rows[i]]
            image = read_image(path, self.shape[0], left_out=self.left_out)[::-1]
            if image.shape != self.shape and not self.resized:
                first, own = ("x".join(map(str, shape[1:])) for shape in (self.shape, image.shape))
                raise DataError(f"{path}: It is {own}, the first image is {first}. Set `new_height` and `new_width`.")
            out[i] = resize(image, *self.shape[1:])

        each(read, range(len(rows)), self.workers)
        return out


def _first(paths: tuple[Path, ...], channels: int, skip: bool) -> np.ndarray:
    """The first image; with `skip`, the first that can be decoded."""
    for path in paths:
        try:
            return read_image(path, channels)
        except UndecodableError:
            if not skip:
                raise
    raise DataError(f"None of the {len(paths)} images can be decoded. The first is {paths[0]}.")


class Line(NamedTuple):
    """A line of a list: the path, the label and the line number."""

    path: str
    label: int
    number: int


def read_list(listing: Path) -> list[Line]:
    """Read the lines of a list. The label follows the last space. DataError lists all lines without a path and a label."""
    try:
        lines = read_text(listing).split("\n")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {listing} as a list of images: {getattr(e, 'strerror', None) or e}") from e
    found, errors = [], []
    for number, line in enumerate(map(str.strip, lines), 1):
        path, _, label = line.rpartition(" ")
        whole = path and re.fullmatch(r"-?[0-9]+", label)
        if whole and len(label) < 12 and -(2**31) <= int(label) < 2**31:
            found.append(Line(path.strip(), int(label), number))
        elif line:
            wanted = f"a whole number{' of 32 bits' if whole else ''}"
            errors.append(Diagnostic(Place(str(listing), number, 1), f"Expected a path, a space and {wanted}, got {line[:200]!r}."))
    if errors or not found:
        raise DataError(*(errors or [Diagnostic(Place(str(listing)), "The file lists no images.")]))
    return found
