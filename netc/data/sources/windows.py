"""WindowData: regions of images, warped to squares, for detection by regions (Girshick et al. 2014).

The file lists images. Each entry has `# number`, the path, channels, height, width, the number of windows, and one line per window:
class, overlap with an object, x1 y1 x2 y2 (inclusive).

A batch starts with background windows (label 0, overlap below bg_threshold). A fraction fg_fraction of the batch follows, with objects
(overlap of at least fg_threshold).
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netc import netc_pb2 as pb
from netc.data.bilinear import resize
from netc.data.cells import label_number
from netc.data.choice import check_there
from netc.data.decoding import each
from netc.data.pixels import LeftOut, read_image
from netc.data.source import Description, Request, Table, TopSpec
from netc.data.transforms.normalization import Normalisation, normalisation
from netc.data.workers import workers_of
from netc.errors import DataError
from netc.files import read_text
from netc.random import HALVES_PER_BLOCK, integers
from netc.registry import source
from netc.spec.places import below

CHANNELS = 3


@dataclass(frozen=True)
class Window:
    """A region of an image: class, overlap with it, and corners."""

    path: Path
    label: int
    overlap: float
    corners: tuple[int, int, int, int]


@source("WindowData", noun="images", channels="BGR")
def window_data(request: Request) -> Table:
    """An endless stream of random windows and their classes. Pixels are in BGR order; pixels beyond the image are 0."""
    param, transform = request.layer.window_data_param, request.layer.transform_param
    size = int(transform.crop_size or param.crop_size)
    if not size:
        raise DataError(
            "`crop_size` is missing in transform_param. Add the side of the squares, for example `crop_size: 227`.", field="crop_size"
        )
    if param.crop_mode not in ("warp", "square"):
        raise DataError(f"`crop_mode` is {param.crop_mode!r}. Expected warp or square.", field="crop_mode")
    if 2 * param.context_pad >= size:
        text = f"`context_pad` is {param.context_pad} on each side, which leaves nothing of a `crop_size` of {size}."
        raise DataError(text, field="context_pad")
    if not 0 <= param.fg_fraction <= 1:
        raise DataError(f"`fg_fraction` is {param.fg_fraction:g}. Expected a number from 0 to 1.", field="fg_fraction")
    check_there(request)
    windows = _windows(request.path, request.base / param.root_folder)
    objects = tuple(w for w in windows if w.overlap >= param.fg_threshold)
    others = tuple(w for w in windows if w.overlap < param.bg_threshold)
    first_object = int(param.batch_size) - int(param.batch_size * param.fg_fraction)
    if (not objects and first_object < param.batch_size) or (not others and first_object):
        raise DataError(f"{request.path}: There are {len(objects)} windows of objects and {len(others)} of background. A batch needs both.")
    drawn = Drawn(request, others, objects, first_object, size, _normalisation(request, size))
    tops = TopSpec("float32", (CHANNELS, size, size)), TopSpec("int64", ())
    columns = Pixels(drawn), Classes(drawn)
    return Table(Description(request.path.name, tops, None), lambda: columns, finished=True, notes=drawn.left_out.notes)


@dataclass(frozen=True)
class Drawn:
    """The random windows of a layer. The numbers of row r, and its position in the batch, determine its window."""

    request: Request
    others: tuple[Window, ...]
    objects: tuple[Window, ...]
    first_object: int
    size: int
    norm: Normalisation
    left_out: LeftOut = field(default_factory=LeftOut, compare=False)

    def luck(self, rows: np.ndarray) -> np.ndarray:
        """Random integers below 2**32 for each row."""
        name = f"{self.request.layer.name}/windows"
        return np.stack([integers(self.request.seed, name, 2**32, (HALVES_PER_BLOCK,), first=int(row)) for row in rows])

    def window(self, row: int, number: int) -> tuple[Window, int]:
        """The window of a row, and its label."""
        place = row % self.request.layer.window_data_param.batch_size
        chosen = self.objects if place >= self.first_object else self.others
        found = chosen[number * len(chosen) >> 32]
        return found, found.label if place >= self.first_object else 0

    def pixels(self, window: Window, mirrored: bool) -> np.ndarray:
        """The warped and normalised pixels of a window."""
        image = read_image(window.path, CHANNELS, left_out=self.left_out)[::-1]
        (y, x), patch = _patch(image, window, self.request.layer.window_data_param, self.size, mirrored)
        height, width = patch.shape[1:]
        out = np.zeros((CHANNELS, self.size, self.size), np.float32)
        place = np.s_[:, y : y + height, x : x + width]
        mean = 0 if self.norm.mean is None else np.broadcast_to(self.norm.mean, out.shape)[place]
        out[place] = (patch - mean) * self.norm.factor
        return out


@dataclass(frozen=True)
class Pixels:
    """The column of warped windows."""

    drawn: Drawn

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        mirrors, luck = self.drawn.request.layer.transform_param.mirror, self.drawn.luck(rows)

        def make(i: int) -> np.ndarray:
            window, _ = self.drawn.window(int(rows[i]), int(luck[i, 0]))
            return self.drawn.pixels(window, mirrors and bool(luck[i, 1] >> 31))

        return np.stack(each(make, range(len(rows)), workers_of(self.drawn.request.layer)))


@dataclass(frozen=True)
class Classes:
    """The column of labels."""

    drawn: Drawn

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        luck = self.drawn.luck(rows)[:, 0]
        return np.array([self.drawn.window(int(row), int(n))[1] for row, n in zip(rows, luck, strict=True)], np.int64)


def _normalisation(request: Request, size: int) -> Normalisation:
    """The normalisation in transform_param. The scale may also be in window_data_param, as in older files."""
    param = pb.TransformationParameter()
    param.CopyFrom(request.layer.transform_param)
    if not param.HasField("scale"):
        param.scale = request.layer.window_data_param.scale
    return normalisation(param, (CHANNELS, size, size), request.base, cropped=True)


def _patch(
    image: np.ndarray, window: Window, param: pb.WindowDataParameter, size: int, mirrored: bool
) -> tuple[tuple[int, int], np.ndarray]:
    """The window, warped to fit a square of `size`, and its position there.

    The position is not (0, 0) if the window's context extends beyond the image.
    """
    x1, y1, x2, y2 = window.corners
    if y2 >= image.shape[1] or x2 >= image.shape[2]:
        size_there = "x".join(map(str, image.shape[1:]))
        raise DataError(f"{window.path}: The image is {size_there}, but a window ends at row {y2}, column {x2}, counted from 0.")
    (top, height), (left, width) = (0, size), (0, size)
    if param.context_pad or param.crop_mode == "square":
        half = np.array([y2 - y1 + 1, x2 - x1 + 1]) / 2
        centre = np.array([y1, x1]) + half
        half = np.full(2, half.max()) if param.crop_mode == "square" else half
        reach = half * (size / (size - 2 * param.context_pad))
        begin, end = (np.floor(v + 0.5).astype(int) for v in (centre - reach, centre + reach))
        (y1, y2, top, height), (x1, x2, left, width) = (
            _clipped(int(b), int(e), n, size, mirrored and axis == 1)
            for axis, (b, e, n) in enumerate(zip(begin, end, image.shape[1:], strict=True))
        )
    patch = resize(image[:, y1 : y2 + 1, x1 : x2 + 1], height, width)
    return (top, left), patch[:, :, ::-1] if mirrored else patch


def _clipped(begin: int, end: int, length: int, size: int, mirrored: bool) -> tuple[int, int, int, int]:
    """(begin, end) clipped to an image's axis, and (offset, length) of that part among the `size` pixels of the square."""
    before, after = max(0, -begin), max(0, end - length + 1)
    factor = size / (end - begin + 1)
    begin, end = begin + before, end - after
    where = int((after if mirrored else before) * factor + 0.5)
    return begin, end, where, min(int((end - begin + 1) * factor + 0.5), size - where)


def _windows(listing: Path, root: Path) -> list[Window]:
    try:
        lines = [line.split() for line in read_text(listing).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {listing} as a list of windows: {e}") from e
    windows, at = list[Window](), 0
    try:
        while at < len(lines):
            if lines[at][0] != "#":
                raise ValueError("expected `# number` of an image")
            path, count = below(root, " ".join(lines[at + 1])), int(lines[at + 5][0])
            if count < 0:
                raise ValueError(f"it has {count} windows.")
            for k in range(count):
                at_window = lines[at + 6 + k]
                label, overlap, (x1, y1, x2, y2) = label_number(at_window[0]), float(at_window[1]), (int(float(v)) for v in at_window[2:])
                if label is None:
                    raise ValueError(f"the label {at_window[0]!r} is not a whole number.")
                if not (0 <= x1 <= x2 and 0 <= y1 <= y2):
                    raise ValueError(f"a window is from {x1} {y1} to {x2} {y2}.")
                windows.append(Window(path, label, overlap, (x1, y1, x2, y2)))
            at += 6 + count
    except (ValueError, IndexError, OverflowError) as e:
        raise DataError(f"{listing}: The image that begins at line {at + 1} (blank lines not counted) is malformed: {e}") from e
    return windows
