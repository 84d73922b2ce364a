"""A folder of images with one sub-folder per class, or with folders for training, validation and test (see `class_folders.py`).

Images are decoded to bytes, channels-first, in RGB, or to one channel if all are grey. Classes and files are in sorted order. Up to 1
GiB of decoded images is kept in memory; the rest is decoded on demand.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.class_folders import PARTS, Folder, parts, read_folder
from netc.data.decoding import each, in_memory, skips
from netc.data.pixels import SUFFIXES, UNREAD, Header, LeftOut, read_header, read_image
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.undecodable import UndecodableError
from netc.data.workers import Workers, workers_of
from netc.errors import DataError
from netc.registry import source

MEMORY = 2**30


@source("folder", noun="images", channels="RGB")
def folder(request: Request) -> Table:
    """Images and their class numbers, resized to resize_height x resize_width. Without these, all must be of the same size."""
    root = read_images(request.path)
    split = parts(root)
    part = split.of(request.phase) if split else root
    classes = tuple((split.train if split else root).classes) if request.classes is None else request.classes
    if unknown := sorted(set(part.classes) - set(classes)):
        raise DataError(f"{part.path}: The training images have no classes {', '.join(unknown)}.")
    files = [(file, number) for number, name in enumerate(classes) if name in part.classes for file in part.classes[name].samples]
    if not files:
        raise DataError(f"{part.path}: There are no folders of images, one per class (searched for {' '.join(SUFFIXES)}).")
    paths = tuple(file for file, _ in files)
    images = images_of(request, paths)
    _note(part, images.left_out)

    def load() -> tuple[Column, ...]:
        small = len(paths) * prod(images.shape) <= MEMORY
        return (in_memory(images, len(paths), skips(request)) if small else images), np.array([n for _, n in files])

    tops, tested = (TopSpec("float32", images.shape), TopSpec("int64", ())), split is not None and bool(split.test or split.validation)
    described = Description(request.path.name, tops, len(files), classes, has_validation=bool(split and split.test and split.validation))
    return Table(described, load, has_test_rows=tested, all_phases=not split, notes=images.left_out.notes)


def read_images(root: Path) -> Folder:
    """The images below a folder, by their suffixes."""
    return read_folder(root, lambda name: name.lower().endswith(SUFFIXES))


def _note(part: Folder, left_out: LeftOut) -> None:
    """Note the images that no class has, and those in formats that netc does not read."""
    for path in part.own:
        left_out.add("no class, because they are in no sub-folder: skipped", str(path))
    for path in part.others:
        if path.suffix.lower() in UNREAD:
            left_out.add("a format that netc does not read: skipped", str(path))


@dataclass(frozen=True)
class Images:
    """A column of images that are decoded on demand."""

    paths: tuple[Path, ...]
    shape: tuple[int, ...]
    workers: Workers
    draft: bool = False
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        channels, height, width = self.shape
        out = np.empty((len(rows), *self.shape), np.uint8)

        def read(i: int) -> None:
            out[i] = read_image(self.paths[rows[i]], channels, height, width, left_out=self.left_out, draft=self.draft)

        each(read, range(len(rows)), self.workers)
        return out


def images_of(request: Request, paths: tuple[Path, ...]) -> Images:
    """The column of image files that a layer reads, with the channels that a net has learned."""
    known, param = int(request.learned.tops[0].shape[0]) if request.learned else 0, request.layer.transform_param
    return Images(paths, shape_of(param, paths, skips(request), known), workers_of(request.layer), param.draft)


def common_size(root: Path) -> tuple[int, int] | int:
    """`common_size_of` all images in the class folders, in all parts."""
    folder = read_images(root)
    split = parts(folder)
    phases = dict.fromkeys(split.of(phase) for phase in PARTS) if split else (folder,)
    return common_size_of(tuple(file for part in phases for images in part.classes.values() for file in images.samples))


def common_size_of(paths: tuple[Path, ...]) -> tuple[int, int] | int:
    """(height, width) if all images have one size; else the median of their shorter sides. 0 if there are no images."""
    sizes = [(h.height, h.width) for h in _headers(paths, True) if h] if paths else []
    if len(set(sizes)) == 1:
        return sizes[0]
    return int(np.median([min(size) for size in sizes])) if sizes else 0


def shape_of(param: pb.TransformationParameter, paths: tuple[Path, ...], skip: bool, known: int = 0) -> tuple[int, ...]:
    """(channels, height, width) of images. `known` is the number of channels that a net has learned from, 0 if nothing is known."""
    if bool(param.resize_height) != bool(param.resize_width):
        raise DataError(
            "Only one of `resize_height` and `resize_width` is set. Set both or neither.",
            field="resize_height" if param.resize_height else "resize_width",
        )
    if param.force_color and param.force_gray:
        raise DataError("Both `force_color` and `force_gray` are set. Remove one of them.", field="force_color")
    channels, size = 3 if param.force_color else 1 if param.force_gray else known, (param.resize_height, param.resize_width)
    if channels and param.resize_height:
        return channels, *size
    headers = _headers(paths, skip)
    if not param.resize_height:
        sizes = {(header.height, header.width): path for header, path in zip(headers, paths, strict=True) if header}
        if len(sizes) > 1:
            some = "; ".join(f"{path} is {h} x {w}" for (h, w), path in list(sizes.items())[:3])
            raise DataError(f"The images have {len(sizes)} sizes ({some}). Set `resize_height` and `resize_width`.")
        size = next(iter(sizes))
    return channels or (1 if all(header.grey for header in headers if header) else 3), *size


def _headers(paths: tuple[Path, ...], skip: bool) -> list[Header | None]:
    """The header of each image. With `skip`, None for an image that cannot be opened."""
    return _headers_now(paths, tuple(map(_stamp, paths)), skip)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:  # reading it later gives the error
        return 0, 0
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=4)
def _headers_now(paths: tuple[Path, ...], stamps: tuple[tuple[int, int], ...], skip: bool) -> list[Header | None]:
    # `stamps` is part of the cache key: images that changed are read again.

    def header(path: Path) -> Header | None:
        try:
            return read_header(path)
        except UndecodableError:
            if skip:
                return None
            raise

    headers = each(header, paths)
    if not any(headers):
        raise DataError(f"None of the {len(paths)} images can be opened. The first is {paths[0]}.")
    return headers
