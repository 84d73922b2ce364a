"""Image decoding: which files are images, and how they become bytes of one or three channels. Every part of netc uses it.

* The content must be in one of FORMATS, whatever the file name is. No other decoder of Pillow runs.
* The EXIF orientation is applied, as in browsers and viewers. An orientation outside of 1 to 8 counts as 1.
* Greyscale (1 bit, L, LA) gives one channel, everything else three in RGB order. Pillow converts palettes, CMYK and YCbCr.
* More than 8 bits per channel are refused, because netc cannot know which of them matter.
* An alpha channel is dropped, so hidden pixels become visible. Of several frames, the first is used. `LeftOut` notes both.
"""

import io
import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from netc.data.undecodable import UndecodableError
from netc.errors import DataError
from netc.files import open_plain

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    *(".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
UNREAD = (  # suffixes of image formats that are not in FORMATS
    *(".arw", ".avif", ".cr2", ".cr3", ".dng", ".eps", ".exr", ".hdr", ".heic", ".heif", ".ico", ".j2k"),
    *(".jp2", ".jxl", ".nef", ".orf", ".pcx", ".psd", ".raf", ".rw2", ".svg", ".tga", ".xcf"),
)
GREY, COLOUR = ("1", "L", "LA"), ("CMYK", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")
MOST_PIXELS = 178_956_970  # Pillow's own limit: half a gigabyte in three channels
LARGE = 1 << 25  # images with at least this many pixels are decoded one at a time, to limit the memory of all threads
DEEP = re.compile(r"(?!BGR).*;(12|16|32)")  # names of Pillow's raw modes; BGR;16 has five bits per channel
ORIENTATION = 0x0112
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
OPENING, DECODING_LARGE = Lock(), Lock()


@dataclass(frozen=True)
class Header:
    """Properties of an image before decoding. The size includes the EXIF rotation."""

    grey: bool
    height: int
    width: int


@dataclass(frozen=True)
class LeftOut:
    """Image content that the decoded pixels lack, by kind: the affected images, in the order of decoding."""

    found: dict[str, dict[str, None]] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """One sentence for each kind of dropped content: the number of affected images, and the name of the first."""
        return [
            f"{len(images):,} image{'s have' if len(images) > 1 else ' has'} {what} (such as {min(images)})"
            for what, images in sorted(self.found.items())
        ]

    def add(self, what: str, place: str) -> None:
        """Add an affected image."""
        self.found.setdefault(what, {})[place] = None


def read_image(
    image: Path | bytes,
    channels: int,
    height: int = 0,
    width: int = 0,
    place: str = "",
    left_out: LeftOut | None = None,
    draft: bool = False,
) -> np.ndarray:
    """Decode an image file, or its bytes, to uint8 of (channels, height, width).

    `channels` is 1 for grey, 3 for RGB, 0 for the image's own. The image is resized unless `height` is 0. With `draft`, a JPEG that is
    much larger than that is decoded at a fraction of its size. UndecodableError names `place`, or else the file.
    """
    from PIL import Image

    with _opened(image, place) as file:
        wanted = "L" if channels == 1 or (not channels and file.mode in GREY) else "RGB"
        if draft and height:
            file.draft(None, (2 * max(height, width),) * 2)
        if left_out is not None:
            _note(file, left_out, place or str(image))
        with DECODING_LARGE if file.width * file.height > LARGE else nullcontext():
            file.load()
            file.info.pop("transparency", None)  # irrelevant after the conversion, and it causes a warning in a palette
            found = _turned(file if file.mode == wanted else file.convert(wanted), _orientation(file))
            if height and found.size != (width, height):
                found = found.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(found)
    return pixels[None] if wanted == "L" else pixels.transpose(2, 0, 1)


def read_values(path: Path, height: int, width: int) -> np.ndarray:
    """The values of the pixels of an image (height, width), uint8: grey, 0 and 1 of one bit, or the numbers of the colors of a palette.

    The image is resized by the nearest pixel. UndecodableError for other images.
    """
    from PIL import Image

    with _opened(path) as file:
        if file.mode not in ("1", "L", "P"):
            raise ValueError(f"it has colors (Pillow's mode {file.mode!r}). A mask has the numbers of classes: one channel, or a palette.")
        file.load()
        found = _turned(file, _orientation(file))
        if found.size != (width, height):
            found = found.resize((width, height), Image.Resampling.NEAREST)
        return np.array(found, np.uint8)


def read_header(path: Path) -> Header:
    """The header of an image file. Decodes the pixels only if the header depends on them. UndecodableError if it is not an image."""
    with _opened(path) as file:
        grey = file.mode in GREY
        if (file.format == "TIFF" and file.tag_v2.get(ORIENTATION, 1) > 4) or (file.format == "PNG" and _has_late_exif(path)):
            file.load()
        width, height = file.size if _orientation(file) <= 4 else file.size[::-1]
        return Header(grey, height, width)


def _has_late_exif(path: Path) -> bool:
    """Whether a PNG has its EXIF data after its pixels; Pillow then reads it only after decoding."""
    late = False
    with open_plain(path) as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf" and late:
                return True
            late = late or kind == b"IDAT"
            file.seek(length + 4, os.SEEK_CUR)
    return False


@contextmanager
def _opened(image: Path | bytes, place: str = "") -> Iterator[Any]:
    """The image, opened by Pillow. UndecodableError for any error in the image, also for errors in the body of the `with`."""
    from PIL import Image, UnidentifiedImageError

    place = place or str(image)
    try:
        with io.BytesIO(image) if isinstance(image, bytes) else open_plain(image) as content:
            with _silent():
                file: Any = Image.open(content, formats=FORMATS)
            with file:
                _check(file)
                yield file
    except UnidentifiedImageError as e:
        raise UndecodableError({0: f"Cannot decode {place}: it is not an image in one of the formats {', '.join(FORMATS)}."}) from e
    except DataError:
        raise
    except Exception as e:  # Pillow's decoders raise many kinds of errors
        text = getattr(e, "strerror", None) or str(e) or type(e).__name__
        raise UndecodableError({0: f"Cannot decode {place}: {text}"}) from e


@contextmanager
def _silent() -> Iterator[None]:
    """Suppress the warnings that Pillow raises for headers.

    Only one thread at a time, because the warning filter belongs to the process.
    """
    with OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check(file: Any) -> None:
    if file.width * file.height > MOST_PIXELS:
        raise ValueError(f"it has {file.width:,} x {file.height:,} pixels. The limit is {MOST_PIXELS:,} pixels.")
    deep = file.mode not in GREY + COLOUR or any(_is_deep(*tile[:4]) for tile in file.tile)
    if deep or (file.format == "TIFF" and max(file.tag_v2.get(258, (8,))) > 8):
        raise ValueError(f"its pixels have more than 8 bits per channel (Pillow's mode {file.mode!r}). Convert it to 8 bits.")


def _is_deep(codec: str, extents: Any, offset: int, args: Any = None) -> bool:
    first = args[0] if isinstance(args, tuple) and args else args
    if codec.startswith("ppm") and isinstance(args, tuple):
        return int(args[-1]) > 255
    return isinstance(first, str) and DEEP.match(first) is not None


def _note(file: Any, left_out: LeftOut, place: str) -> None:
    if "A" in file.getbands() or file.mode == "PA" or "transparency" in file.info:
        left_out.add("an alpha channel, which is dropped: hidden pixels become visible", place)
    several = False
    with _silent(), suppress(Exception):  # frames that cannot be counted are not reported
        several = file.format != "MPO" and getattr(file, "is_animated", False)  # the other images of an MPO belong to its photo
    if several:
        left_out.add("several frames, of which only the first is used", place)


def _orientation(file: Any) -> int:
    """The EXIF orientation, 1 to 8. It is 1 for a TIFF, because Pillow rotates it while loading."""
    from PIL import Image

    found, exif = 1, Image.Exif()
    try:
        with _silent():
            exif.load(file.info.get("exif", b""))
            found = exif.get(ORIENTATION, 1)
    except Exception:  # unreadable EXIF data counts as no EXIF data
        return 1
    return found if file.format != "TIFF" and found in TURNS else 1


def _turned(image: Any, orientation: int) -> Any:
    from PIL import Image

    return image.transpose(Image.Transpose[TURNS[orientation]]) if orientation in TURNS else image
