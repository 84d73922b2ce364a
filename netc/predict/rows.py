"""Rows for models that take images, arrays, tables of numbers or texts, from paths on the command line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netc import data
from netc.data.vocabulary import Vocabulary
from netc.errors import DataError

Row = tuple[str, np.ndarray]


@dataclass(frozen=True)
class Reading:
    """How the rows of a model are read. `shape` is that of its first input; `left_out` counts parts of images that it does not read."""

    shape: tuple[int | str, ...]
    batch_axis: int
    metadata: dict[str, Any]
    vocabulary: Vocabulary | None
    left_out: data.LeftOut

    def files(self, path: str) -> list[str]:
        """Return `path`, or the files in this folder and its subfolders that the model can read, sorted. DataError if there are none."""
        folder = Path(path)
        if self.vocabulary or not folder.is_dir():
            return [path]
        kinds = data.IMAGES if self.takes_images else ((*data.TABLES, ".npy") if self.columns else (".npy",))
        shown = (f for f in sorted(folder.rglob("*")) if not any(part.startswith(".") for part in f.relative_to(folder).parts))
        files = [str(f) for f in shown if f.suffix.lower() in kinds and f.is_file()]
        if not files:
            raise DataError(f"{folder}: the folder has no files for this model (looked for {' '.join(kinds)})")
        return files

    @property
    def row_shape(self) -> tuple[int | str, ...]:
        """The shape of a row."""
        return self.shape[: self.batch_axis] + self.shape[self.batch_axis + 1 :]

    @property
    def takes_images(self) -> bool:
        """Whether a row can be an image."""
        return not self.batch_axis and len(self.row_shape) == 3 and self.row_shape[0] in (1, 3)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a table that the model reads, in order; empty if it does not read tables."""
        columns = tuple(self.metadata.get("columns", ()))
        return columns if not self.batch_axis and self.row_shape == (len(columns),) else ()

    def rows(self, path: str) -> Iterator[Row]:
        """Yield the rows of a file, each with its name. DataError if it cannot be read."""
        if self.vocabulary:
            yield path, data.Units(self.metadata["tokens"], self.vocabulary).encode(path, "text")
            return
        if not Path(path).is_file():
            raise DataError(f"{path}: There is no such file.")
        suffix, name = Path(path).suffix.lower(), printable(path)
        if suffix in data.TABLES and self.columns:
            rows = data.read_columns(Path(path), self.columns, self.metadata.get("label", ""), self.metadata.get("classes", ()))
            yield from ((f"{name}[{k}]", row) for k, row in enumerate(rows))
        elif suffix == ".npy":
            yield from ((f"{name}[{k}]", row) for k, row in enumerate(self._array(path, name)))
        elif self.takes_images:
            yield name, self._image(path, tuple(map(int, self.row_shape)))
        else:
            kinds = ".npy or .csv" if self.columns else ".npy"
            raise DataError(f"{name}: The model takes arrays of {sizes(self.shape)}, not images. Use {kinds}.")

    def _array(self, path: str, name: str) -> np.ndarray:
        array, shape = data.read_npy(Path(path)), self.row_shape
        if array.dtype.kind not in "fiub":
            raise DataError(f"{name}: is an array of {array.dtype}; expected real numbers")
        if len(shape) == 3 and shape[0] == 1 and array.shape[-2:] == shape[1:] and array.ndim < 4 and array.shape != shape:
            array = array[..., None, :, :]  # images without an axis for their one channel
        rows: np.ndarray = array[None] if array.ndim == len(shape) else array
        if not rows.size:
            raise DataError(f"{name}: is an empty array of shape {sizes(array.shape)}")
        if self.metadata.get("channels_last") and rows.shape[1:] == (*shape[1:], shape[0]):
            return data.channels_first(rows)
        return rows

    def _image(self, path: str, shape: tuple[int, ...]) -> np.ndarray:
        """Read an image with the preprocessing of the test phase: resized, with a centre crop if the net uses crops."""
        channels, height, width = shape
        if (fit := data.fit_of(self.metadata, (height, width))) is not None:
            return self._ordered(fit.image(data.read_image(Path(path), channels, left_out=self.left_out)))
        larger, wider = self.metadata.get("resize", (height, width))
        top, left = (larger - height) // 2, (wider - width) // 2
        image = data.read_image(Path(path), channels, larger, wider, left_out=self.left_out)
        return self._ordered(image[:, top : top + height, left : left + width])

    def _ordered(self, image: np.ndarray) -> np.ndarray:
        """The channels in the order of the rows that the net was trained on."""
        return image[::-1] if self.metadata.get("channels") == "BGR" and len(image) > 1 else image


def sizes(shape: tuple[int | str, ...]) -> str:
    """Format a shape, as in Nx3x32x32."""
    return "x".join(map(str, shape))


def printable(path: str) -> str:
    """Replace bytes of a path that are not UTF-8, so that it can be printed."""
    return path.encode(errors="surrogateescape").decode(errors="replace")
