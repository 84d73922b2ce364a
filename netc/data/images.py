"""A folder of images, in a sub-folder per class; or `train/` and `test/`, each of which is such a folder.

Images are decoded with Pillow to bytes, channels first, RGB; to one channel where all are grey. Classes and files are
in sorted order. Up to 1 GiB of decoded images are kept in memory; more are decoded whenever they are asked for.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.decoding import each, in_memory, skips
from netc.data.source import Column, Description, Request, Table, TopSpec, UndecodableError
from netc.errors import DataError
from netc.registry import source

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
GREY, COLOUR = ("1", "L", "LA"), ("CMYK", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")
MEMORY = 2**30


@source("folder", noun="images", channels="RGB")
def folder(request: Request) -> Table:
    """Images and the numbers of their classes, resized to resize_height x resize_width unless all are of one size."""
    root, split = request.path, all((request.path / name).is_dir() for name in ("train", "test"))
    part = root / request.phase.lower() if split else root
    classes = _classes(root / "train" if split else root) if request.classes is None else request.classes
    if unknown := sorted(set(_classes(part)) - set(classes)):
        raise DataError(f"{part}: {', '.join(unknown)} are not among the classes of the training images")
    files = [(file, number) for number, name in enumerate(classes) for file in _files(part / name)]
    if not files:
        raise DataError(f"{part}: no images in folders per class (looked for {' '.join(SUFFIXES)})")
    paths, shape = tuple(file for file, _ in files), _shape(request.layer.transform_param, tuple(f for f, _ in files), skips(request))
    tops = TopSpec("float32", shape), TopSpec("int64", ())
    images = Images(paths, shape)

    def load() -> tuple[Column, ...]:
        small = len(paths) * prod(shape) <= MEMORY
        return (in_memory(images, len(paths), skips(request)) if small else images), np.array([n for _, n in files])

    return Table(Description(root.name, tops, len(files), classes), load, has_test_rows=split)


@dataclass(frozen=True)
class Images:
    """A column of images that are decoded when they are asked for."""

    paths: tuple[Path, ...]
    shape: tuple[int, ...]

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape), np.uint8)

        def read(i: int) -> None:
            out[i] = read_image(self.paths[rows[i]], *self.shape)

        each(read, range(len(rows)))
        return out


def common_size(root: Path) -> tuple[int, int] | int:
    """(height, width) of all images in the folder's classes; where they differ the median of their shorter sides; 0 without any."""
    part = root / "train" if (root / "train").is_dir() and (root / "test").is_dir() else root
    paths = tuple(file for name in _classes(part) for file in _files(part / name))
    sizes = [kind[1:] for kind in _kinds(paths, True) if kind] if paths else []
    if len(set(sizes)) == 1:
        return sizes[0]
    return int(np.median([min(size) for size in sizes])) if sizes else 0


def read_image(path: Path, channels: int, height: int = 0, width: int = 0) -> np.ndarray:
    """An image file as uint8 of (channels, height, width), 1 channel grey or 3 RGB, resized unless height is 0."""
    from PIL import Image

    try:
        with Image.open(path) as file:
            _check_mode(path, file.mode)
            image = file.convert("L" if channels == 1 else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise UndecodableError({0: f"{path}: cannot be decoded: {e}"}) from e
    if height and image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _shape(param: pb.TransformationParameter, paths: tuple[Path, ...], skip: bool) -> tuple[int, ...]:
    if bool(param.resize_height) != bool(param.resize_width):
        raise DataError("only one of resize_height and resize_width is given; expected both or none")
    if param.force_color and param.force_gray:
        raise DataError("there are both force_color and force_gray; give one")
    channels, size = 3 if param.force_color else 1 if param.force_gray else 0, (param.resize_height, param.resize_width)
    if channels and param.resize_height:
        return channels, *size
    kinds = _kinds(paths, skip)
    if not param.resize_height:
        sizes = {kind[1:]: path for kind, path in zip(kinds, paths, strict=True) if kind}
        if len(sizes) > 1:
            some = "; ".join(f"{path} is {h} x {w}" for (h, w), path in list(sizes.items())[:3])
            raise DataError(f"the images are of {len(sizes)} sizes ({some}); give resize_height and resize_width")
        size = next(iter(sizes))
    return channels or (1 if all(kind[0] in GREY for kind in kinds if kind) else 3), *size


@lru_cache(maxsize=4)
def _kinds(paths: tuple[Path, ...], skip: bool) -> list[tuple[str, int, int] | None]:
    """Mode, height and width of each image; None for one that cannot be opened where these are skipped."""
    from PIL import Image

    def kind(path: Path) -> tuple[str, int, int] | None:
        try:
            with Image.open(path) as file:
                _check_mode(path, file.mode)
                return file.mode, file.height, file.width
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, UndecodableError) as e:
            if skip:
                return None
            raise e if isinstance(e, UndecodableError) else UndecodableError({0: f"{path}: cannot be decoded: {e}"}) from e

    kinds = each(kind, paths)
    if not any(kinds):
        raise DataError(f"not one of {len(paths)} images can be opened; the first is {paths[0]}")
    return kinds


def _check_mode(path: Path, mode: str) -> None:
    if mode not in GREY + COLOUR:
        raise UndecodableError({0: f"{path}: pixels are of Pillow's mode {mode!r}; expected 8 bits a channel"})


def _classes(root: Path) -> tuple[str, ...]:
    return tuple(sorted(f.name for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")))


def _files(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(f for f in root.iterdir() if f.suffix.lower() in SUFFIXES and not f.name.startswith("."))
