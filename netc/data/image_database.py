"""Image databases in Caffe's format, and their mean image (convert_imageset and compute_image_mean).

Images are resized with Pillow's bilinear filter, which uses every pixel. Caffe's OpenCV uses four.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.datum import to_datum, to_pixels
from netc.data.pixels import LeftOut, read_image
from netc.data.sources.image_list import Line, read_list
from netc.data.sources.lmdb import datums, write_datums
from netc.errors import DataError, RunError
from netc.files import read_file, replace_file
from netc.random import permutation


@dataclass(frozen=True)
class ImageSet:
    """Which images a database contains, and how they are stored.

    `size` is (height, width), with 0 to keep the original size. `seed` shuffles the images, with None to keep their order.
    """

    root: str
    listing: str
    gray: bool = False
    seed: int | None = None
    size: tuple[int, int] = (0, 0)
    check_size: bool = False
    encoded: bool = False


def write_database(images: ImageSet, database: str) -> tuple[int, list[str], list[str]]:
    """Write the images into a new LMDB, under keys `%08d_path`.

    Returns the number of images, the reason for each skipped image, and notes on what was dropped from images. DataError if the listing
    is wrong. With check_size, DataError also if an image differs in size from the first one.
    """
    if bool(images.size[0]) != bool(images.size[1]):
        raise DataError("Only one of height and width is given. Give both or neither.")
    lines, skipped, left_out = read_list(Path(images.listing)), list[str](), LeftOut()
    if images.seed is not None:
        lines = [lines[k] for k in permutation(images.seed, "convert-imageset", len(lines))]
    return write_datums(database, _items(images, lines, skipped, left_out)), skipped, left_out.notes()


def mean_image(database: str) -> np.ndarray:
    """The mean of all Datums of an LMDB, (channels, height, width), float32. DataError if their shapes differ."""
    total, count = None, 0
    for key, datum in datums(database):
        pixels = to_pixels(datum, f"{database}: {key.decode(errors='replace')}")
        total = np.zeros(pixels.shape) if total is None else total
        if pixels.shape != total.shape:
            raise DataError(f"{database}: {key.decode(errors='replace')} is {pixels.shape}, the entries before it are {total.shape}.")
        total, count = total + pixels, count + 1
    if total is None:
        raise DataError(f"{database}: The database is empty.")
    return (total / count).astype(np.float32)


def write_mean(path: str, image: np.ndarray) -> None:
    """Write the mean image to a `.binaryproto`, with the four-number shape that Caffe reads. RunError if writing fails."""
    channels, height, width = image.shape
    blob = pb.BlobProto(num=1, channels=channels, height=height, width=width, data=np.ravel(image).tolist())
    try:
        replace_file(Path(path), blob.SerializeToString())
    except OSError as e:
        raise RunError(f"Cannot write {path}: {e.strerror or e}") from e


def _items(images: ImageSet, lines: list[Line], skipped: list[str], left_out: LeftOut) -> Iterator[tuple[bytes, pb.Datum]]:
    first: tuple[int, ...] | None = None
    for number, (name, label, _) in enumerate(lines):
        path = Path(images.root) / name.lstrip("/")
        try:
            pixels = read_image(path, 1 if images.gray else 3, *images.size, left_out=left_out)
        except DataError as e:
            skipped.append(str(e))
            continue
        first = first or pixels.shape
        if images.check_size and pixels.shape != first:
            raise DataError(f"{path}: It is {pixels.shape}, the first image is {first}.")
        datum = to_datum(pixels if images.gray else pixels[::-1], label)  # BGR, as in OpenCV
        if images.encoded and not any(images.size):
            datum = pb.Datum(data=read_file(path), label=label, encoded=True)
        yield f"{number:08d}_{name}".encode(), datum
