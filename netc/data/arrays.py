"""Arrays of rows: `.npz`, an array a top under the top's name, and `.npy`, one top, which is mapped and not read."""

import zipfile
import zlib
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from netc.data.sequences import CONT, LENGTH, over_time
from netc.data.source import Description, Request, Table, TopSpec
from netc.errors import DataError, near
from netc.registry import source


@source(".npz")
def npz(request: Request) -> Table:
    """The arrays named like the layer's tops, row by row. With time_major their second axis is time; `length` makes `cont`."""
    path, names, made = request.path, list(request.layer.top), None
    try:
        with zipfile.ZipFile(path) as archive:
            there = [n.removesuffix(".npy") for n in archive.namelist()]
            if request.layer.data_param.time_major and CONT in names and CONT not in there and LENGTH in there:
                made = names.index(CONT)
                names[made] = LENGTH
            missing = [
                f"{path}: there is no array {n!r} (arrays go by the names of the layer's tops); {near(n, there)}"
                for n in names
                if n not in there
            ]
            if missing:
                raise DataError(*missing)
            headers = []
            for name in names:
                with archive.open(f"{name}.npy") as file:
                    headers.append(_header(file, archive.getinfo(f"{name}.npy").file_size))
    except (OSError, ValueError, zipfile.BadZipFile) as e:
        raise DataError(f"{path}: not an .npz file: {e}") from e

    def load() -> tuple[np.ndarray, ...]:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return tuple(arrays[name] for name in names)
        except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as e:
            raise DataError(f"{path}: is damaged, or was cut off: {e}") from e

    table = Table(_description(path, names, headers), load)
    return over_time(request, table, made) if request.layer.data_param.time_major else table


@source(".npy")
def npy(request: Request) -> Table:
    """The one array of the file."""
    path = request.path
    try:
        with path.open("rb") as file:
            header = _header(file, path.stat().st_size)
    except (OSError, ValueError) as e:
        raise DataError(f"{path}: not an .npy file: {e}") from e
    if len(request.layer.top) > 1:
        raise DataError(f"{path}: one array, but the layer has {len(request.layer.top)} tops; use an .npz file")
    return Table(
        _description(path, list(request.layer.top) or ["data"], [header]),
        lambda: (np.asarray(np.load(path, mmap_mode="r", allow_pickle=False)),),
    )


def _header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and dtype of an array in a file of `size` bytes. ValueError if these do not hold it."""
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)[0]
    if version not in read:
        raise ValueError(f"format version {version}; expected 1 or 2")
    shape, _, dtype = read[version](file)
    wanted = file.tell() + prod(shape) * dtype.itemsize
    if size < wanted and not dtype.hasobject:
        raise ValueError(f"it was cut off: {dtype} of shape {shape} takes {wanted} bytes, {size} are there")
    return shape, dtype


def _description(path: Path, names: list[str], headers: list[tuple[tuple[int, ...], np.dtype]]) -> Description:
    faults = [
        f"{path}: array {name!r} is {_named(dtype)} of shape {shape}; expected real numbers, a row after the other"
        for name, (shape, dtype) in zip(names, headers, strict=True)
        if dtype.kind not in "fiub" or not shape
    ]
    rows = {name: shape[0] for name, (shape, _) in zip(names, headers, strict=True) if shape}
    if len(set(rows.values())) > 1:
        faults.append(f"{path}: the arrays differ in rows: " + ", ".join(f"{n} {r}" for n, r in rows.items()))
    if faults:
        raise DataError(*faults)
    return Description(path.name, tuple(_top(*h) for h in headers), next(iter(rows.values())))


def _named(dtype: np.dtype) -> str:
    return "text" if dtype.kind in "US" else "Python objects" if dtype.kind == "O" else str(dtype)


def _top(shape: tuple[int, ...], dtype: np.dtype) -> TopSpec:
    # A byte with neighbours is a pixel. Any other integer is a label or an index.
    whole = dtype.kind in "iu" and (dtype.itemsize > 1 or len(shape) == 1)
    return TopSpec("int64" if whole else "float32", shape[1:])
