"""Files from .tar.gz and .zip archives: read into memory by exact name, and never written to paths from the archive.

A member must be a regular file (no link, no device) of the expected size. Decompression stops if a member is larger. It also stops if
the other members or headers of a .tar.gz are much larger than the requested files.
"""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from netc.errors import DataError
from netc.files import open_plain

DAMAGE = (
    *(OSError, EOFError, ValueError, RuntimeError, OverflowError, NotImplementedError, KeyError, MemoryError, struct.error),
    *(zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile),
)
BESIDE = 1 << 26  # bytes of a tar beside the requested files
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


def members(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    """The files of an archive whose names are in `sizes`, by name.

    DataError for a member that is missing, not a regular file or of another size.
    """
    try:
        found = _zip(path, sizes) if path.suffix == ".zip" else _tar(path, sizes)
    except DAMAGE as e:
        raise DataError(f"Cannot read {path} as an archive: {e}") from e
    if missing := [name for name in sizes if name not in found]:
        raise DataError(f"{path}: The archive has no file {', '.join(missing)}.")
    return found


def member(path: Path, name: str, most: int) -> bytes | None:
    """One file of a .zip, of at most `most` bytes; None if the archive does not contain it."""
    try:
        with open_plain(path) as packed, zipfile.ZipFile(packed) as archive:
            if name not in archive.namelist():
                return None
            with archive.open(name) as file:
                content = file.read(most + 1)
    except DAMAGE as e:
        raise DataError(f"Cannot read {path} as an archive: {e}") from e
    if len(content) > most:
        raise DataError(f"{path}: {name} has more than {most} bytes.")
    return content


def _tar(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    most = 2 * sum(sizes.values()) + BESIDE
    with (
        open_plain(path) as packed,
        _unpacking(packed) as unpacked,
        tarfile.TarFile(fileobj=cast(Any, _Bounded(unpacked, most))) as archive,
    ):
        for entry in archive:
            if entry.name in sizes and entry.name not in found:
                file = archive.extractfile(entry) if entry.isreg() else None
                if file is None:
                    raise DataError(f"{path}: {entry.name} is not a regular file.")
                found[entry.name] = _whole(file, sizes[entry.name], f"{path}: {entry.name}")
            if len(found) == len(sizes):
                break
    return found


def _zip(path: Path, sizes: Mapping[str, int]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with open_plain(path) as packed, zipfile.ZipFile(packed) as archive:
        for name in sizes.keys() & set(archive.namelist()):
            with archive.open(name) as file:
                found[name] = _whole(file, sizes[name], f"{path}: {name}")
    return found


def _whole(file: IO[bytes], size: int, place: str) -> bytes:
    content = file.read(size + 1)
    if len(content) != size:
        raise DataError(f"{place} has {'more' if len(content) > size else len(content)} bytes. Expected {size}.")
    return content


def _unpacking(packed: IO[bytes]) -> IO[bytes]:
    """The decompressed content of a file, as a stream; the file itself if it is not compressed."""
    magic = packed.read(5)
    packed.seek(0)
    found: IO[bytes] = next((unpack(packed) for start, unpack in PACKED.items() if magic.startswith(start)), packed)
    return found


class _Bounded:
    """A file of which at most `most` bytes are decompressed."""

    def __init__(self, file: IO[bytes], most: int):
        self._file, self._most, self.tell = file, most, file.tell

    def read(self, size: int = -1) -> bytes:
        self._check(self.tell() + size if size >= 0 else self._most + 1)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._check(offset if not whence else self._most + 1)
        return self._file.seek(offset)

    def _check(self, end: int) -> None:
        if end > self._most:
            raise tarfile.ReadError(f"it unpacks to more than {self._most:,} bytes, far more than the files that are needed")
