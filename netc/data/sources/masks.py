"""Images with masks: an image of the same size for each, whose values are the classes of the pixels.

A mask has one channel of 8 bits or a palette, whose numbers are the classes; the colors of the palette do not matter. It is resized by the
nearest pixel, to the size of its image.
"""

from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from netc.data.decoding import each, in_memory, skips
from netc.data.pixels import SUFFIXES, read_header, read_values
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.sources.image_folder import MEMORY, Images, images_of
from netc.data.workers import Workers
from netc.errors import DataError, near
from netc.registry import source

MOST_NAMED = 5  # images without a mask in one error


@dataclass(frozen=True)
class Masks:
    """A column of masks that are decoded on demand, (rows, height, width)."""

    paths: tuple[Path, ...]
    shape: tuple[int, ...]
    workers: Workers

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape), np.uint8)

        def read(i: int) -> None:
            out[i] = read_values(self.paths[rows[i]], *self.shape)

        each(read, range(len(rows)), self.workers)
        return out

    @property
    def top(self) -> TopSpec:
        return TopSpec("int64", self.shape, mask=True)


def check_sizes(images: tuple[Path, ...], masks: tuple[Path, ...]) -> list[str]:
    """An error for each mask that has another size than its image."""
    sizes = [[(h.height, h.width) for h in each(read_header, paths)] for paths in (images, masks)]
    return [
        f"{mask}: The mask is {own[0]} x {own[1]}, and its image {image} is {size[0]} x {size[1]}."
        for image, mask, size, own in zip(images, masks, *sizes, strict=True)
        if size != own
    ]


def in_columns(images: Images, masks: Masks, skip: bool) -> tuple[Column, ...]:
    """Both columns, in memory if they are small. With `skip`, images that cannot be decoded are read again on demand."""
    if len(images.paths) * prod(images.shape) > MEMORY:
        return images, masks
    return in_memory(images, len(images.paths), skip), masks[np.arange(len(masks.paths))]


@source("images with masks", noun="images", channels="RGB")
def images_with_masks(request: Request) -> Table:
    """The images in a folder and its sub-folders, and for each the image of the same name in the folder `mask_folder`."""
    root, param = request.path, request.layer.data_param
    folder = request.base / Path(param.mask_folder).expanduser()
    paths, there = _images(root), _images(folder)
    if not paths:
        raise DataError(f"{root}: There are no images (searched for {' '.join(SUFFIXES)}).")
    named = {_name(folder, path): path for path in there}
    missing = [path for path in paths if _name(root, path) not in named]
    if missing:
        few = ", ".join(path.relative_to(root).as_posix() for path in missing[:MOST_NAMED])
        text = f"{folder}: {len(missing):,} of {len(paths):,} images of {root} have no mask here: {few}."
        raise DataError(f"{text} {near(_name(root, missing[0]), named)}", field="mask_folder")
    pairs = tuple(named[_name(root, path)] for path in paths)
    if wrong := check_sizes(paths, pairs):
        raise DataError(*wrong)
    images = images_of(request, paths)
    masks = Masks(pairs, images.shape[1:], images.workers)
    tops = TopSpec("float32", images.shape), masks.top
    described = Description(root.name, tops, len(paths), request.classes or ())
    return Table(
        described, lambda: in_columns(images, masks, skips(request)), all_phases=True, notes=images.left_out.notes,
        place=lambda top, row: str((pairs if top else paths)[row]),
    )  # fmt: skip


def _images(root: Path) -> tuple[Path, ...]:
    """The images in a folder and its sub-folders, sorted; files whose names start with a dot are hidden."""
    if not root.is_dir():
        raise DataError(f"{root}: There is no such folder.", field="mask_folder")
    found = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return tuple(sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(root).parts)))


def _name(root: Path, path: Path) -> str:
    """The path of an image from its folder, without the suffix."""
    return path.relative_to(root).with_suffix("").as_posix()


def is_mask(image: TopSpec, top: TopSpec) -> bool:
    """Whether a top of whole numbers has one for each pixel of the images."""
    spatial = image.shape[1:]
    return len(image.shape) == 3 and top.dtype == "int64" and top.shape in (spatial, (1, *spatial))


def with_masks(tops: list[TopSpec]) -> list[TopSpec]:
    """The tops, with a mark on those that are masks of the first one, so that they move with it."""
    return [replace(top, mask=True) if k and is_mask(tops[0], top) else top for k, top in enumerate(tops)]
