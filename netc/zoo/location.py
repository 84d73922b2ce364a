"""Read a zoo from a directory, an http(s) address, or an address that fsspec supports (s3://, hf://)."""

import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from netc.errors import ZooError
from netc.files import CHUNK


def default_location() -> str:
    """NETC_ZOO if it is set, else ./model_zoo."""
    return os.environ.get("NETC_ZOO") or "model_zoo"


def is_url(location: str | Path) -> bool:
    """Whether `location` is an address, not a directory. ZooError for file:// addresses."""
    scheme, separator, rest = str(location).partition("://")
    if separator and scheme in ("file", "local"):
        raise ZooError(f"{location}: pass the path of a local zoo instead: {rest}")
    return bool(separator)


def chunks(location: str | Path, path: str, limit: int, start: int = 0) -> Generator[bytes, None, None]:
    """Yield the bytes of the file `path` (checked names joined by '/') in the zoo from `start` on.

    ZooError if the file is longer than `limit` bytes. CutError if the connection breaks.
    """
    if not is_url(location):
        pieces = _file_pieces(Path(location), path, start)
    elif str(location).startswith(("http://", "https://")):
        from netc.remote.http import pieces_of

        pieces = pieces_of(str(location), path, start)
    else:
        from netc.remote.systems import pieces_of as system_pieces

        pieces = system_pieces(str(location), path, start)
    received = start
    for piece in pieces:
        received += len(piece)
        if received > limit:
            raise ZooError(f"{location}/{path}: is longer than the limit of {limit} bytes")
        yield piece


def read(location: str | Path, path: str, limit: int) -> bytes:
    """Read a small file of the zoo. ZooError if it is longer than `limit` bytes."""
    return b"".join(chunks(location, path, limit))


def _file_pieces(root: Path, path: str, start: int) -> Generator[bytes, None, None]:
    try:
        with open_file(root, path) as file:
            file.seek(start)
            while piece := file.read(CHUNK):
                yield piece
    except OSError as error:
        raise ZooError(f"{root}/{path}: {error.strerror or error}") from error


def open_file(root: Path, path: str, sole: bool = True) -> BinaryIO:
    """Open a file of a local zoo. ZooError if it or one of its folders is a link, or if it is not a regular file.

    With `sole`, hard links are an error too. (Installers may hard-link the files of a package.)
    """
    place = root
    for part in path.split("/"):
        place /= part
        if place.is_symlink():
            raise ZooError(f"{place}: is a link; links are not allowed in a zoo")
    # O_NONBLOCK: opening a pipe without a writer would block.
    descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(descriptor)
    plain = stat.S_ISREG(status.st_mode)
    if not plain or (sole and status.st_nlink > 1):
        os.close(descriptor)
        what = "has a hard link, through which it could change" if plain else "is not a regular file"
        raise ZooError(f"{place}: {what}")
    return os.fdopen(descriptor, "rb")
