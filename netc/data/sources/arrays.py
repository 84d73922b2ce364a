"""Arrays of rows: `.npz` files with one array per top, and `.npy` files with one top, which are memory-mapped.

Labels may be text; they are then classes in sorted order. Images are channels-first; with channels_last they are transposed.
"""

import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from netc.data.array_roles import Header
from netc.data.cells import in_order
from netc.data.sequences import CONT, LENGTH, over_time
from netc.data.source import Description, Request, Table, TopSpec
from netc.data.sources.masks import with_masks
from netc.errors import DataError, Diagnostic, near
from netc.registry import source

CHANNELS = (1, 3, 4)  # numbers of channels of images


@source(".npz")
def npz(request: Request) -> Table:
    """The arrays with the names of the layer's tops, row by row.

    With time_major, their second axis is time. The array `length` becomes the top `cont`.
    """
    path, names, made = request.path, list(request.layer.top), None
    with _readable(path, ".npz"), zipfile.ZipFile(path) as archive:
        there = array_names(path)
        if request.layer.data_param.time_major and CONT in names and CONT not in there and LENGTH in there:
            made = names.index(CONT)
            names[made] = LENGTH
        missing = [
            f"{path}: There is no array {n!r}. The arrays must have the names of the tops of the layer. {near(n, there)}"
            for n in names
            if n not in there
        ]
        if missing:
            raise DataError(*missing)
        headers = [_header_in(archive, name) for name in names]

    def load() -> tuple[np.ndarray, ...]:
        return tuple(_numbers(array, f"{path}: array {name!r}") for name, array in zip(names, read_npz(path, names), strict=True))

    table = _table(request, names, headers, load)
    return over_time(request, table, made) if request.layer.data_param.time_major else table


@source(".npy")
def npy(request: Request) -> Table:
    """The one array in the file."""
    path = request.path
    with _readable(path, ".npy"), path.open("rb") as file:
        header = _header(file, path.stat().st_size)
    if len(request.layer.top) > 1:
        raise DataError(f"{path}: There is one array, but the layer has {len(request.layer.top)} tops. Use an .npz file.")
    names = list(request.layer.top) or ["data"]
    return _table(request, names, [header], lambda: (_numbers(np.asarray(read_npy(path, mapped=True)), str(path)),))


def read_npy(path: Path, mapped: bool = False) -> np.ndarray:
    """Read the array in an .npy file, without unpickling. DataError if the file is not an .npy file or is damaged."""
    with _readable(path, ".npy"):
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
        found: np.ndarray = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
        return found


def read_npz(path: Path, names: list[str]) -> list[np.ndarray]:
    """Read arrays of an .npz file by name, without unpickling. DataError if the file is not an .npz file or is damaged."""
    with _readable(path, ".npz"), np.load(path, allow_pickle=False) as arrays:
        return [arrays[name] for name in names]


def array_names(path: Path) -> list[str]:
    """The names of the arrays in an .npz file."""
    with _readable(path, ".npz"), zipfile.ZipFile(path) as archive:
        return [name.removesuffix(".npy") for name in archive.namelist()]


def headers_of(path: Path) -> dict[str, Header]:
    """The shape and the dtype of each array in an .npz file."""
    with _readable(path, ".npz"), zipfile.ZipFile(path) as archive:
        return {name: _header_in(archive, name) for name in array_names(path) if f"{name}.npy" in archive.namelist()}


def row_shape(path: Path, name: str) -> tuple[int, ...]:
    """The shape of a row of an .npy file, or of array `name` of an .npz file."""
    with _readable(path, path.suffix):
        if path.suffix == ".npy":
            with path.open("rb") as file:
                return _header(file, path.stat().st_size)[0][1:]
        with zipfile.ZipFile(path) as archive:
            return _header_in(archive, name)[0][1:]


def channels_first(rows: np.ndarray) -> np.ndarray:
    """Transpose rows of (height, width, channels) to (channels, height, width)."""
    return np.moveaxis(rows, -1, 1)


def seems_channels_last(shape: tuple[int | str, ...]) -> bool | None:
    """Whether a row with three axes is (height, width, channels): only its last axis, and not its first, is 1, 3 or 4.

    None if both are.
    """
    first, last = (shape[0] in CHANNELS, shape[-1] in CHANNELS) if len(shape) == 3 else (False, False)
    return None if first and last else last


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Convert all errors of a damaged file to DataError, and hide NumPy's warnings about old files."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DataError:
        raise
    except Exception as e:  # for a damaged header or member, zipfile, zlib, tokenize, ast and NumPy all raise errors of their own
        reason = next(iter(str(e).splitlines()), "")[:200] or type(e).__name__
        raise DataError(f"{path}: It is not an {kind} file, or it is damaged: {reason}") from e


def _header_in(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(f"{name}.npy") as file:
        return _header(file, archive.getinfo(f"{name}.npy").file_size)


def _header(file: IO[bytes], size: int) -> Header:
    """The shape and dtype of an array in a file of `size` bytes. ValueError if the file is too small for them."""
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(file)[0]
    if version not in read:
        raise ValueError(f"its format version is {version}. Expected 1 or 2.")
    shape, _, dtype = read[version](file)
    wanted = file.tell() + prod(shape) * dtype.itemsize
    if size < wanted and not dtype.hasobject:
        raise ValueError(f"it is truncated. {dtype} of shape {shape} needs {wanted} bytes, the file has {size}.")
    return shape, dtype


def _table(request: Request, names: list[str], headers: list[Header], load: Callable[[], tuple[np.ndarray, ...]]) -> Table:
    """Make the table of arrays: transpose images and convert text to classes."""
    path, last = request.path, request.layer.data_param.channels_last
    texts = [k for k, (shape, dtype) in enumerate(headers) if k == 1 and dtype.kind == "U" and len(shape) == 1]
    errors = [
        Diagnostic(None, f)
        for k, (name, header) in enumerate(zip(names, headers, strict=True))
        if k not in texts
        for f in _errors(path, name, *header)
    ]
    rows = {name: shape[0] for name, (shape, _) in zip(names, headers, strict=True) if shape}
    if len(set(rows.values())) > 1:
        errors.append(
            Diagnostic(None, f"{path}: The arrays have different numbers of rows: {', '.join(f'{n} {r}' for n, r in rows.items())}.")
        )
    if last and headers[0][0] and len(headers[0][0]) != 4:
        shape = "x".join(map(str, headers[0][0]))
        text = f"`channels_last` is for rows of height x width x channels, but array {names[0]!r} is {shape}."
        errors.append(Diagnostic(None, f"{path}: {text}", field="channels_last"))
    if errors:
        raise DataError(*errors)
    named = len(headers) > 1 and headers[1][1].kind in "iub"
    classes = _classes(request, load()[1]) if texts else (request.classes or ()) if named else ()

    def made() -> tuple[np.ndarray, ...]:
        arrays = list(load())
        if last:
            arrays[0] = channels_first(arrays[0])
        if texts:
            arrays[1] = _numbered(arrays[1], classes, f"{path}: array {names[1]!r}")
        return tuple(arrays)

    tops = [TopSpec("int64", ()) if k in texts else _top(*header) for k, header in enumerate(headers)]
    tops = [_label_image(tops[0], header, last) or top if k else top for k, (top, header) in enumerate(zip(tops, headers, strict=True))]
    if last:
        height, width, channels = tops[0].shape
        tops[0] = TopSpec(tops[0].dtype, (channels, height, width))
    tops = with_masks(tops)
    return Table(Description(path.name, tuple(tops), next(iter(rows.values())), classes, channels_last=last), made, all_phases=True)


def _errors(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> Iterator[str]:
    """The errors in an array."""
    if dtype.kind not in "fiub" or not shape:
        yield f"{path}: Array {name!r} is {_named(dtype)} of shape {shape}. Expected real numbers with at least one axis, the rows."
    elif shape[0] and not prod(shape):
        yield f"{path}: Array {name!r} has the shape {shape}. Its rows contain no values."


def _named(dtype: np.dtype) -> str:
    kinds = {"U": "text", "S": "bytes of text", "O": "Python objects", "V": "records", "M": "dates", "m": "times"}
    return kinds.get(dtype.kind, str(dtype))


def _top(shape: tuple[int, ...], dtype: np.dtype) -> TopSpec:
    # uint8 with axes is an image. Any other integer is a label or an index.
    whole = dtype.kind in "iu" and (dtype.itemsize > 1 or len(shape) == 1)
    return TopSpec("int64" if whole else "float32", shape[1:])


def _label_image(first: TopSpec, header: Header, last: bool) -> TopSpec | None:
    """The top of bytes with one value for each pixel of the images, which are classes; None for other arrays."""
    shape, dtype = header
    spatial = first.shape[:2] if last else first.shape[1:]
    return TopSpec("int64", shape[1:]) if len(first.shape) == 3 and dtype.kind in "bu" and shape[1:] == spatial else None


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    """Convert an array to this machine's byte order. DataError for integers beyond int64."""
    if array.dtype == np.uint64 and array.size and array.max() > np.iinfo(np.int64).max:
        raise DataError(f"{name} contains {array.max()}, which is outside of int64.")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _classes(request: Request, labels: np.ndarray) -> tuple[str, ...]:
    """The names of the classes in the order of their numbers."""
    return tuple(in_order(set(labels.tolist()))) if request.classes is None else request.classes


def _numbered(labels: np.ndarray, classes: tuple[str, ...], name: str) -> np.ndarray:
    """Convert text labels to class numbers. DataError for a label that is not a class."""
    number = {label: k for k, label in enumerate(classes)}
    texts = labels.tolist()
    wrong = [k for k, label in enumerate(texts) if label not in number]
    if wrong:
        text = f"Row {wrong[0]} is {texts[wrong[0]]!r}, which is not a class ({len(wrong)} rows are wrong)."
        raise DataError(f"{name}: {text} {near(texts[wrong[0]], classes)}")
    return np.array([number[label] for label in texts], np.int64)
