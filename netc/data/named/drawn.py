"""Readers of data sets that netc draws: the same images on every machine, from counter-based random numbers and whole numbers alone."""

from functools import lru_cache

import numpy as np

from netc.data.named.dataset import DataSet
from netc.data.named.lookup import unpacked
from netc.data.named.readers import reader
from netc.data.named.tables import TEST_FRACTION
from netc.data.order import held_out
from netc.data.source import Request, Table
from netc.random import integers

MOST_SHAPES = 4  # in an image
PER_IMAGE = 16 + 16 * MOST_SHAPES  # random numbers
PADDING = -1  # after the labels of a line


@reader("shapes")
def read_shapes(request: Request, record: DataSet) -> Table:
    """Discs, squares and triangles that overlap, on striped backgrounds with noise, and the class of each pixel; 0 is the background."""
    phase = "TRAIN" if request.phase == "TRAIN" else "TEST"
    channels, height, width = record.tops[0].sizes
    return Table(record.description(phase), lambda: _shapes(phase, record.rows[phase], (channels, height, width)), has_test_rows=True)


@lru_cache(maxsize=2)
def _shapes(phase: str, rows: int, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    images, masks = np.empty((rows, *shape), np.uint8), np.zeros((rows, *shape[1:]), np.uint8)
    luck = integers(0, f"shapes/{phase}", 2**32, (rows, PER_IMAGE))
    for row in range(rows):
        noise = integers(0, f"shapes/{phase}/noise", 41, shape, iteration=row) - 20
        images[row] = np.clip(_scene(luck[row], masks[row], shape) + noise, 0, 255)
    return images, masks


def _scene(luck: np.ndarray, mask: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The image without noise. It writes the classes of the pixels into `mask`. Later shapes hide earlier ones."""
    channels, height, width = shape
    y, x = np.mgrid[:height, :width]
    image = striped(luck[:16], x, y, channels)
    count = 1 + below(luck[15], MOST_SHAPES)
    for numbers in luck[16:].reshape(MOST_SHAPES, 16)[:count]:
        kind, radius = 1 + below(numbers[0], 3), 5 + below(numbers[1], min(height, width) // 5)
        dx, dy = x - below(numbers[2], width), y - below(numbers[3], height)
        u, v = below(numbers[4], 2 * radius + 1) - radius, radius
        covered = inside(kind, dx, dy, u, v, radius)
        image[:, covered] = striped(np.roll(numbers, 8), x, y, channels)[:, covered]
        mask[covered] = kind
    return image


def inside(kind: int, dx: np.ndarray, dy: np.ndarray, u: int, v: int, radius: int) -> np.ndarray:
    """Whether a pixel at (dx, dy) from the centre is in a disc (1), a square (2) or a triangle (3) that is turned along (u, v)."""
    along, across, length = dx * u + dy * v, dx * v - dy * u, u * u + v * v
    if kind == 1:
        covered: np.ndarray = dx * dx + dy * dy <= radius * radius
    elif kind == 2:  # half its side is about .8 radius
        covered = (5 * np.abs(along) <= 4 * length) & (5 * np.abs(across) <= 4 * length)
    else:
        covered = (along >= -length) & (2 * np.abs(across) <= length - along)
    return covered


def striped(luck: np.ndarray, x: np.ndarray, y: np.ndarray, channels: int) -> np.ndarray:
    """Stripes of two colours that differ little, (channels, height, width)."""
    a, b = below(luck[0], 5) - 2, below(luck[1], 5) - 2
    first = np.array([below(n, 256) for n in luck[2 : 2 + channels]])
    change = np.array([below(n, 81) - 40 for n in luck[6 : 6 + channels]])
    stripes = ((x * a + y * b) >> 2) & 1
    image: np.ndarray = first[:, None, None] + change[:, None, None] * stripes
    return image


def below(number: int, high: int) -> int:
    """A number from 0 to high - 1, from one below 2**32."""
    return int(number) * high >> 32


@reader("digit_lines")
def read_digit_lines(request: Request, record: DataSet) -> Table:
    """Lines of handwritten digits that touch or overlap, from the images of `digits`, and the digits of each line, padded with -1.

    Digits of the test lines are those that `digits` holds out.
    """
    phase = "TRAIN" if request.phase == "TRAIN" else "TEST"

    def load() -> tuple[np.ndarray, ...]:
        lines = unpacked(record, record.files[0]).decode().split()
        table = np.array([line.split(",") for line in lines], np.float32).astype(np.int64)
        kept = table[held_out(len(table), TEST_FRACTION, phase)]
        return _lines(kept[:, :-1].reshape(-1, 8, 8), kept[:, -1], record, phase)

    return Table(record.description(phase), load, has_test_rows=True)


def _lines(digits: np.ndarray, values: np.ndarray, record: DataSet, phase: str) -> tuple[np.ndarray, np.ndarray]:
    rows, (_, height, width), (most,) = record.rows[phase], record.tops[0].sizes, record.tops[1].sizes
    luck = integers(0, f"digit_lines/{phase}", 2**32, (rows, 8 + 4 * most))
    images = integers(0, f"digit_lines/{phase}/noise", 48, (rows, 1, height, width)).astype(np.uint8)
    labels = np.full((rows, most), PADDING)
    for row, numbers in enumerate(luck):
        count = 1 + below(numbers[0], most)
        gaps = [0, *(below(n, 4) - 2 for n in numbers[8 : 7 + count])]  # from two pixels over each other to one apart
        places = np.cumsum([8 + gap for gap in gaps]) - 8
        left = below(numbers[1], width - 8 - int(places[-1]) + 1)
        for k, place in enumerate(places):
            which, top = below(numbers[8 + most + k], len(digits)), below(numbers[8 + 2 * most + k], height - 7)
            window = images[row, 0, top : top + 8, left + place : left + place + 8]
            window[...] = np.maximum(window, digits[which] * 13)
            labels[row, k] = values[which]
    return images, labels
