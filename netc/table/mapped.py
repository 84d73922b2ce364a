"""Arrays in files that may be larger than memory, for access to rows in any order."""

import mmap
import os
import weakref
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

BLOCK = 1 << 20  # bytes
DENSE = 4  # rows that lie within so many times their size are read as one piece


def checksum(file: int) -> int:
    """The CRC of a file, by its descriptor."""
    value = place = 0
    while block := os.pread(file, BLOCK, place):
        value, place = zlib.crc32(block, value), place + len(block)
    return value


def mapped(path: Path) -> "Mapped":
    """Open a file. It may be removed afterwards."""
    file = os.open(path, os.O_RDONLY)
    made = Mapped(np.load(path, mmap_mode="r", allow_pickle=False), file)
    weakref.finalize(made, os.close, file)
    if hasattr(mmap, "MADV_RANDOM"):
        made.array.base.madvise(mmap.MADV_RANDOM)  # type: ignore[union-attr]  # the base of a mapped array is its map
    return made


@dataclass(frozen=True, eq=False)
class Mapped:
    """The array of a .npy file, mapped into memory, and the descriptor of the file.

    By default, systems read ahead at each access. For rows in random order, this would read many times the file in each epoch. So it is
    switched off, and the pages of all rows of a batch are requested before the first one is read.
    """

    array: np.ndarray
    file: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @cached_property
    def checksum(self) -> int:
        """The CRC of the file. The first access reads all of it."""
        return checksum(self.file)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        self._request(np.asarray(rows))
        found: np.ndarray = self.array[rows]
        return found

    def _request(self, rows: np.ndarray) -> None:
        """Request the pages of rows from the system, without waiting for them."""
        if not hasattr(os, "posix_fadvise") or not rows.size:
            return
        size = self.array.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))
        start, first, last = self._start, int(rows.min()), int(rows.max())
        if last - first < DENSE * len(rows):
            os.posix_fadvise(self.file, start + first * size, (last - first + 1) * size, os.POSIX_FADV_WILLNEED)
            return
        for row in rows.tolist():
            os.posix_fadvise(self.file, start + row * size, size, os.POSIX_FADV_WILLNEED)

    @cached_property
    def _start(self) -> int:
        """Where the first row begins in the file."""
        return os.path.getsize(self.file) - self.array.nbytes
