"""Safe reading of HDF5 files, which can refer to other files in four ways and load libraries.

Only data in the file itself is read. Soft, external and user-defined links, and virtual and external data sets are refused. The only
filters are those of HDF5 and LZF of h5py.

Data sets contain numbers of at most eight bytes, and are limited to the size that their stored bytes can expand to. Needs h5py (the
extra `caffe`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netc.files import open_plain

SIGNATURE = b"\x89HDF\r\n\x1a\n"
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
MOST_TIMES, FEW = 1032, 1 << 20  # deflate's maximal ratio; bytes that may be claimed without being stored (a fill value)
MOST_DEPTH = 64


class Hdf5Error(ValueError):
    """The file is not HDF5, is damaged, or refers to data outside of it."""


@contextmanager
def opened(path: str | Path) -> Iterator["Reader"]:
    """Open the file for reading. Hdf5Error for any error in it, also for errors in the body of the `with`."""
    h5py = library()
    try:
        with open_plain(path):  # gives an immediate error for anything except a regular file
            pass
        with h5py.File(path, "r") as file:
            yield Reader(file)
    except Hdf5Error:
        raise
    except OSError as e:
        raise Hdf5Error(e.strerror or str(e) or "it cannot be read") from e
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError, IndexError, OverflowError, MemoryError) as e:
        raise Hdf5Error(str(e.args[0]) if e.args else type(e).__name__) from e


def library() -> Any:
    """The module h5py. Hdf5Error if it is not installed."""
    try:
        import h5py
    except ImportError as e:
        raise Hdf5Error("HDF5 files need h5py: pip install 'netc[caffe]'") from e
    return h5py


class Reader:
    """An open HDF5 file."""

    def __init__(self, file: Any):
        self._file, self._h5py = file, library()

    @property
    def names(self) -> list[str]:
        """The names at the top level."""
        return list(self._file)

    def dataset(self, name: str) -> Any:
        """A numeric data set by its path; None if the path does not exist. Hdf5Error if it is something else."""
        found = self._file
        for part in filter(None, name.split("/")):
            found = self._child(found, part) if isinstance(found, self._h5py.Group) else None
            if found is None:
                return None
        return self._numbers(found)

    def datasets(self, group: str) -> Iterator[tuple[str, Any]]:
        """The numeric data sets in a group and its subgroups, by relative path. Hdf5Error if the group does not exist."""
        top = self._child(self._file, group)
        if not isinstance(top, self._h5py.Group):
            raise Hdf5Error(f"there is no group {group!r} in it")
        yield from self._below(top, "", set(), 0)

    def text(self, name: str) -> str:
        """A text by its path; "" if the path does not exist. Hdf5Error if it is something else."""
        found = self._child(self._file, name)
        if found is None:
            return ""
        if not isinstance(found, self._h5py.Dataset) or found.shape != () or found.dtype.kind not in "SO":
            raise Hdf5Error(f"{name!r} is no text")
        self._check_storage(found)
        value = found[()]
        return value.decode() if isinstance(value, bytes) else str(value)

    def _below(self, group: Any, path: str, visited: set[int], depth: int) -> Iterator[tuple[str, Any]]:
        place = self._h5py.h5o.get_info(group.id).addr
        if place in visited or depth > MOST_DEPTH:
            raise Hdf5Error(f"the group {group.name!r} appears twice, or within itself")
        visited.add(place)
        for name in group:
            item = self._child(group, name)
            if isinstance(item, self._h5py.Group):
                yield from self._below(item, f"{path}{name}/", visited, depth + 1)
            else:
                yield f"{path}{name}", self._numbers(item)

    def _child(self, group: Any, name: str) -> Any:
        """The object of a name in a group, if its link is local; None if the name does not exist."""
        own = name.encode("utf-8", "surrogateescape")
        if name not in group.keys():  # noqa: SIM118 (`in group` would follow links)
            return None
        if group.id.links.get_info(own).type != self._h5py.h5l.TYPE_HARD:
            raise Hdf5Error(f"{name!r} in {group.name!r} is a link to another place; links are not followed")
        return group[name]

    def _numbers(self, item: Any) -> Any:
        if not isinstance(item, self._h5py.Dataset):
            raise Hdf5Error(f"{item.name!r} is a {type(item).__name__.lower()}, not a data set")
        self._check_storage(item)
        if item.shape is None or item.dtype.kind not in "fiub" or item.dtype.itemsize > 8:
            raise Hdf5Error(f"{item.name!r} holds no numbers, but {item.dtype} of shape {item.shape}")
        return item

    def _check_storage(self, item: Any) -> None:
        """Check that a data set's bytes are in this file, and that they are enough for its claimed size."""
        plan = item.id.get_create_plist()
        if plan.get_external_count() or plan.get_layout() == self._h5py.h5d.VIRTUAL:
            raise Hdf5Error(f"the values of {item.name!r} are stored in other files, which netc does not read")
        used = {plan.get_filter(k)[0] for k in range(plan.get_nfilters())}
        if foreign := sorted(used - FILTERS.keys()):
            raise Hdf5Error(f"{item.name!r} uses the filter {foreign[0]}, which is not one of HDF5's own")
        size, stored = prod(item.shape or ()) * item.dtype.itemsize, item.id.get_storage_size()
        if size > FEW + MOST_TIMES * stored or not item.dtype.itemsize:
            raise Hdf5Error(f"{item.name!r} claims {size:,} bytes; {stored:,} are stored")


def whole(dataset: Any) -> np.ndarray:
    """All values of a data set, in this machine's byte order."""
    values = np.asarray(dataset[()])
    return values.astype(values.dtype.newbyteorder("="), copy=False)
