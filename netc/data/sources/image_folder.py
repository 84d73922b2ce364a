"""A folder of images with one sub-folder per class, or `train/` and `test/` with such sub-folders.

Images are decoded to bytes, channels-first, in RGB, or to one channel if all are grey. Classes and files are in sorted order. Up to 1
GiB of decoded images is kept in memory; the rest is decoded on demand.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.decoding import each, in_memory, skips
from netc.data.pixels import SUFFIXES, UNREAD, Header, LeftOut, read_header, read_image
from netc.data.source import Column, Description, Request, Table, TopSpec, UndecodableError
from netc.errors import DataError
from netc.registry import source

MEMORY = 2**30


@source("folder", noun="images", channels="RGB")
def folder(request: Request) -> Table:
    """Images and their class numbers, resized to resize_height x resize_width. Without these, all must be of the same size."""
    root, split = request.path, all((request.path / name).is_dir() for name in ("train", "test"))
    part = root / request.phase.lower() if split else root
    classes = _classes(root / "train" if split else root) if request.classes is None else request.classes
    if unknown := sorted(set(_classes(part)) - set(classes)):
        raise DataError(f"{part}: The training images have no classes {', '.join(unknown)}.")
    files = [(file, number) for number, name in enumerate(classes) for file in _files(part / name)]
    if not files:
        raise DataError(f"{part}: There are no folders of images, one per class (searched for {' '.join(SUFFIXES)}).")
    paths, shape = tuple(file for file, _ in files), _shape(request.layer.transform_param, tuple(f for f, _ in files), skips(request))
    tops = TopSpec("float32", shape), TopSpec("int64", ())
    images = Images(paths, shape)
    for passed_over in (f for name in classes for f in _files(part / name, UNREAD)):
        images.left_out.add("a format that netc does not read: skipped", str(passed_over))

    def load() -> tuple[Column, ...]:
        small = len(paths) * prod(shape) <= MEMORY
        return (in_memory(images, len(paths), skips(request)) if small else images), np.array([n for _, n in files])

    return Table(
        Description(root.name, tops, len(files), classes), load, has_test_rows=split, all_phases=not split, notes=images.left_out.notes
    )


@dataclass(frozen=True)
class Images:
    """A column of images that are decoded on demand."""

    paths: tuple[Path, ...]
    shape: tuple[int, ...]
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        channels, height, width = self.shape
        out = np.empty((len(rows), *self.shape), np.uint8)

        def read(i: int) -> None:
            out[i] = read_image(self.paths[rows[i]], channels, height, width, left_out=self.left_out)

        each(read, range(len(rows)))
        return out


def common_size(root: Path) -> tuple[int, int] | int:
    """(height, width) if all images in the class folders have one size; else the median of their shorter sides.

    0 if there are no images.
    """
    part = root / "train" if (root / "train").is_dir() and (root / "test").is_dir() else root
    paths = tuple(file for name in _classes(part) for file in _files(part / name))
    sizes = [(h.height, h.width) for h in _headers(paths, True) if h] if paths else []
    if len(set(sizes)) == 1:
        return sizes[0]
    return int(np.median([min(size) for size in sizes])) if sizes else 0


def _shape(param: pb.TransformationParameter, paths: tuple[Path, ...], skip: bool) -> tuple[int, ...]:
    if bool(param.resize_height) != bool(param.resize_width):
        raise DataError(
            "Only one of `resize_height` and `resize_width` is set. Set both or neither.",
            field="resize_height" if param.resize_height else "resize_width",
        )
    if param.force_color and param.force_gray:
        raise DataError("Both `force_color` and `force_gray` are set. Remove one of them.", field="force_color")
    channels, size = 3 if param.force_color else 1 if param.force_gray else 0, (param.resize_height, param.resize_width)
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


def _classes(root: Path) -> tuple[str, ...]:
    return tuple(sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")))


def _files(root: Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(f for f in root.iterdir() if f.suffix.lower() in suffixes and not f.name.startswith("."))
