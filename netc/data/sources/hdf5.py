"""HDF5 files: HDF5Data reads them, HDF5Output writes them. Both need the h5py wheel (the extra `caffe`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netc import netc_pb2 as pb
from netc.data.choice import check_there, places_of
from netc.data.source import Column, Description, Request, Table, TopSpec
from netc.data.sources.image_folder import MEMORY
from netc.errors import DataError, Diagnostic, Place, RunError, near
from netc.files import read_text
from netc.formats import hdf5
from netc.formats.hdf5 import Hdf5Error
from netc.registry import source
from netc.spec.paths import published
from netc.spec.places import there


@source("HDF5Data")
def hdf5_data(request: Request) -> Table:
    """Rows of floats or integers from HDF5 files. `source` lists the files, one per line.

    Relative paths start from the folder of the net or of the list, and in a Caffe file from the current folder.
    Up to 1 GiB is kept in memory; more is read on demand. Shuffling mixes the rows of all files.
    """
    if request.layer.HasField("transform_param"):
        raise DataError("HDF5Data cannot have a `transform_param`, as its arrays may have any shape.")
    if not request.source:
        text = "`source` is missing. Expected a text file that lists HDF5 files."
        raise DataError(places_of(request).kind(None, text, field="source"))
    names, files = list(request.layer.top), _listed(request)
    columns = [_column(files, name) for name in names]
    rows = {name: int(column.ends[-1]) for name, column in zip(names, columns, strict=True)}
    if len(set(rows.values())) > 1:
        raise DataError(f"{request.path}: The tops have different numbers of rows: {', '.join(f'{n} {r}' for n, r in rows.items())}.")
    tops = tuple(TopSpec("int64" if c.dtype.kind in "iu" else "float32", c.shape) for c in columns)
    size = sum(rows[n] * prod(c.shape) * c.dtype.itemsize for n, c in zip(names, columns, strict=True))

    def load() -> tuple[Column, ...]:
        return tuple(c[np.arange(c.ends[-1])] for c in columns) if size <= MEMORY else tuple(columns)

    described = Description(request.path.name, tops, next(iter(rows.values())))
    return Table(described, load, all_phases=True, place=lambda top, row: columns[top].place(row))


@dataclass(frozen=True)
class Rows:
    """A column whose rows are in several files: file k contains rows ends[k-1] to ends[k] - 1."""

    files: tuple[Path, ...]
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    ends: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), *self.shape), self.dtype)
        where = np.searchsorted(self.ends, rows, side="right")
        for k in np.unique(where):
            places = np.flatnonzero(where == k)
            wanted, back = np.unique(rows[places] - (self.ends[k - 1] if k else 0), return_inverse=True)
            with _opened(self.files[k]) as file:
                out[places] = _found(file, self.name, self.files[k])[wanted][back]
        return out

    def place(self, row: int) -> str:
        """The file that contains a row, and its position there."""
        k = int(np.searchsorted(self.ends, row, side="right"))
        return f"{self.files[k]}: {self.name}[{row - (int(self.ends[k - 1]) if k else 0)}]"


def _column(files: tuple[Path, ...], name: str) -> Rows:
    """The column `name`. DataError lists the files where it is missing, is not numeric, or has rows of another shape."""
    found, errors = [], list[str]()
    for path in files:
        try:
            with _opened(path) as file:
                item = _found(file, name, path)
                found.append((path, tuple(item.shape), np.dtype(item.dtype)))
        except DataError as e:
            errors += map(str, e.diagnostics)
    for path, shape, _ in found:
        if not shape:
            errors.append(f"{path}: {name!r} is a single number. Expected an array of rows.")
        elif shape[1:] != found[0][1][1:]:
            errors.append(f"{path}: The rows of {name!r} are {shape[1:]}, those of {found[0][0]} are {found[0][1][1:]}.")
    if errors:
        raise DataError(*errors)
    ends = np.cumsum([shape[0] for _, shape, _ in found])
    return Rows(files, name, found[0][1][1:], np.result_type(*(dtype for *_, dtype in found)), ends)


def _listed(request: Request) -> tuple[Path, ...]:
    check_there(request)
    try:
        lines = [line.strip() for line in read_text(request.path).splitlines()]
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"Cannot read {request.path} as a list of HDF5 files: {getattr(e, 'strerror', None) or e}") from e
    if not any(lines):
        raise DataError(f"{request.path}: It lists no files.")
    folders = [request.path.parent] + (
        [] if published(request.base) else [Path(".")]
    )  # for a net file that has moved into the folder of a run
    files, errors = list[Path](), list[Diagnostic]()
    for number, line in enumerate(lines, 1):
        found = [path for path in (places_of(request).find(line), *(folder / line for folder in folders)) if there(path)] if line else []
        if line and not found:
            errors.append(replace(places_of(request).missing(line), place=Place(str(request.path), number, 1)))
        files += found[:1]
    if errors:
        raise DataError(*errors)
    return tuple(files)


class Hdf5Writer:
    """HDF5Output: writes `data` and `label`, batch after batch. The first batch replaces the file.

    Arrays have at least four axes, as in Caffe.
    """

    def __init__(self, layer: pb.LayerParameter, base: Path):
        if not layer.hdf5_output_param.file_name:
            raise DataError(f"Layer {layer.name!r}: `file_name` is missing. Add the file to write to.")
        self.path, self._mode = base / layer.hdf5_output_param.file_name, "w"

    def write(self, data: np.ndarray, label: np.ndarray) -> None:
        """Append the rows of a batch. RunError if writing fails."""
        try:
            with _library().File(self.path, self._mode) as file:
                for name, array in (("data", data), ("label", label)):
                    rows = array.reshape(*array.shape, *[1] * (4 - array.ndim))
                    if name not in file:
                        file.create_dataset(name, data=rows, maxshape=(None, *rows.shape[1:]))
                        continue
                    stored = file[name]
                    stored.resize(len(stored) + len(rows), axis=0)
                    stored[-len(rows) :] = rows
        except OSError as e:
            raise RunError(f"Cannot write {self.path}: {e}") from e
        self._mode = "a"


def _library() -> Any:
    try:
        return hdf5.library()
    except Hdf5Error as e:
        raise DataError(str(e)) from e


@contextmanager
def _opened(path: Path) -> Iterator[hdf5.Reader]:
    try:
        with hdf5.opened(path) as file:
            yield file
    except Hdf5Error as e:
        raise DataError(f"Cannot read {path} as HDF5: {e}") from e


def _found(file: hdf5.Reader, name: str, path: Path) -> Any:
    """A data set in a file. DataError if it is missing."""
    found = file.dataset(name)
    if found is None:
        raise DataError(f"{path}: There is no data set {name!r}. {near(name, file.names)}")
    return found
