"""Files out of .tar.gz and .zip archives: read into memory by their exact names, never written where an archive says.

So no path of an archive leads anywhere. A member is a plain file (no link, no device) of the size that is expected: what is
larger is not unpacked further.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from netc.errors import DataError


def members(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """The files of an archive whose names are in `sizes`, by name. DataError for one that is missing, is no file or of another size."""
    try:
        found = _zip(path, sizes) if path.suffix == ".zip" else _tar(path, sizes)
    except (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as e:
        raise DataError(f"{path}: cannot be read as an archive: {e}") from e
    if missing := [name for name in sizes if name not in found]:
        raise DataError(f"{path}: has no file {', '.join(missing)}")
    return found


def member(path: Path, name: str, most: int) -> bytes | None:
    """One file of a .zip, of at most `most` bytes; None if the archive has none of that name."""
    try:
        with zipfile.ZipFile(path) as archive:
            if name not in archive.namelist():
                return None
            with archive.open(name) as file:
                content = file.read(most + 1)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as e:
        raise DataError(f"{path}: cannot be read as an archive: {e}") from e
    if len(content) > most:
        raise DataError(f"{path}: {name} has more than {most} bytes")
    return content


def _tar(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with tarfile.open(path, "r:*") as archive:
        for entry in archive:
            if entry.name in sizes and entry.name not in found:
                file = archive.extractfile(entry) if entry.isreg() else None
                if file is None:
                    raise DataError(f"{path}: {entry.name} is no plain file")
                found[entry.name] = _whole(file, sizes[entry.name], f"{path}: {entry.name}")
            if len(found) == len(sizes):
                break
    return found


def _zip(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive:
        for name in sizes.keys() & set(archive.namelist()):
            with archive.open(name) as file:
                found[name] = _whole(file, sizes[name], f"{path}: {name}")
    return found


def _whole(file: IO[bytes], size: int, place: str) -> bytes:
    content = file.read(size + 1)
    if len(content) != size:
        raise DataError(f"{place} has {'more' if len(content) > size else len(content)} bytes; expected {size}")
    return content
