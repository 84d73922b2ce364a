"""One opener for images: which files are images, and how they become bytes of one or three channels. The same wherever one is read.

* The content must be one of FORMATS, whatever the file is called: no other decoder of Pillow's is started.
* It is turned as its EXIF orientation says, as browsers and viewers turn it. An orientation that is none of the eight counts as 1.
* Grey (1 bit, L, LA) gives one channel, all else three: red, green, blue. Palettes, CMYK and YCbCr are converted by Pillow.
* More than 8 bits a channel are refused: only who made the image knows which of them matter.
* An alpha channel is dropped, so that hidden pixels become visible; of several frames the first is used. `LeftOut` notes both.
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

from netc.data.source import UndecodableError
from netc.errors import DataError
from netc.files import open_plain

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    *(".apng", ".bmp", ".dib", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".mpo"),
    *(".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
)
UNREAD = (  # suffixes of images in formats that are not among FORMATS
    *(".arw", ".avif", ".cr2", ".cr3", ".dng", ".eps", ".exr", ".hdr", ".heic", ".heif", ".ico", ".j2k"),
    *(".jp2", ".jxl", ".nef", ".orf", ".pcx", ".psd", ".raf", ".rw2", ".svg", ".tga", ".xcf"),
)
GREY, COLOUR = ("1", "L", "LA"), ("CMYK", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")
MOST_PIXELS = 178_956_970  # Pillow's own limit: half a gigabyte in three channels
LARGE = 1 << 25  # pixels from which images are decoded one at a time, so that threads do not add up their memory
DEEP = re.compile(r"(?!BGR).*;(12|16|32)")  # the names of Pillow's raw modes; BGR;16 has five bits a channel
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
    """What an image is before it is decoded; its size once it is turned."""

    grey: bool
    height: int
    width: int


@dataclass(frozen=True)
class LeftOut:
    """What images had that their pixels do not show, by what it is: the images, in the order in which they were decoded."""

    found: dict[str, dict[str, None]] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """A sentence for each thing that was left out: how many images had it, and the first of them by name."""
        return [
            f"{len(images):,} image{'s have' if len(images) > 1 else ' has'} {what} (such as {min(images)})"
            for what, images in sorted(self.found.items())
        ]

    def add(self, what: str, place: str) -> None:
        """One more image."""
        self.found.setdefault(what, {})[place] = None


def read_image(
    image: Path | bytes, channels: int, height: int = 0, width: int = 0, place: str = "", left_out: LeftOut | None = None
) -> np.ndarray:
    """An image file, or its bytes, as uint8 of (channels, height, width): 1 grey, 3 RGB, 0 its own. Resized unless height is 0.

    UndecodableError names `place`, else the file.
    """
    from PIL import Image

    with _opened(image, place) as file:
        wanted = "L" if channels == 1 or (not channels and file.mode in GREY) else "RGB"
        if left_out is not None:
            _note(file, left_out, place or str(image))
        with DECODING_LARGE if file.width * file.height > LARGE else nullcontext():
            file.load()
            file.info.pop("transparency", None)  # of no meaning to what is converted, and a warning where it is one of a palette
            found = _turned(file if file.mode == wanted else file.convert(wanted), _orientation(file))
            if height and found.size != (width, height):
                found = found.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(found)
    return pixels[None] if wanted == "L" else pixels.transpose(2, 0, 1)


def read_header(path: Path) -> Header:
    """The header of an image file; its pixels are decoded only where that is needed to know. UndecodableError if it is no image."""
    with _opened(path) as file:
        grey = file.mode in GREY
        if (file.format == "TIFF" and file.tag_v2.get(ORIENTATION, 1) > 4) or (file.format == "PNG" and _has_late_exif(path)):
            file.load()
        width, height = file.size if _orientation(file) <= 4 else file.size[::-1]
        return Header(grey, height, width)


def _has_late_exif(path: Path) -> bool:
    """Whether a PNG has its EXIF after its pixels, where Pillow finds it no sooner than these are decoded."""
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
    """The image, opened by Pillow. UndecodableError for whatever is wrong with it, also where that shows within."""
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
    except Exception as e:  # each of Pillow's decoders has errors of its own
        text = getattr(e, "strerror", None) or str(e) or type(e).__name__
        raise UndecodableError({0: f"Cannot decode {place}: {text}"}) from e


@contextmanager
def _silent() -> Iterator[None]:
    """Python's warnings off, which Pillow raises at headers. One thread at a time, since they are a matter of the process."""
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
    with _silent(), suppress(Exception):  # frames that cannot be counted are none that are missed
        several = file.format != "MPO" and getattr(file, "is_animated", False)  # the others of an MPO belong to its photo
    if several:
        left_out.add("several frames, of which only the first is used", place)


def _orientation(file: Any) -> int:
    """1 to 8. Of a TIFF always 1: Pillow turns it when it loads it."""
    from PIL import Image

    found, exif = 1, Image.Exif()
    try:
        with _silent():
            exif.load(file.info.get("exif", b""))
            found = exif.get(ORIENTATION, 1)
    except Exception:  # EXIF that cannot be read says nothing
        return 1
    return found if file.format != "TIFF" and found in TURNS else 1


def _turned(image: Any, orientation: int) -> Any:
    from PIL import Image

    return image.transpose(Image.Transpose[TURNS[orientation]]) if orientation in TURNS else image
