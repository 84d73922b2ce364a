"""Where a zoo lies: a directory, an http(s) address, or one that fsspec knows (s3://, hf://). All are read alike, piece by piece."""

import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any, BinaryIO

from netc.errors import CutError, ZooError
from netc.files import CHUNK

EXTRAS = {"s3": "s3", "s3a": "s3", "hf": "hf"}  # what installs the library of a kind of address


def default_location() -> str:
    """NETC_ZOO where it is set, else ./model_zoo."""
    return os.environ.get("NETC_ZOO") or "model_zoo"


def is_url(location: str | Path) -> bool:
    """Whether `location` is an address and no directory. ZooError for a directory that is written as one."""
    scheme, separator, rest = str(location).partition("://")
    if separator and scheme in ("file", "local"):
        raise ZooError(f"{location}: a zoo in a directory is named by its path: {rest}")
    return bool(separator)


def chunks(location: str | Path, path: str, limit: int, start: int = 0) -> Generator[bytes, None, None]:
    """The bytes from `start` on of `path` (checked names joined by '/') in the zoo, piece by piece.

    ZooError beyond `limit` bytes, those before `start` counted. CutError where a connection breaks on the way.
    """
    if not is_url(location):
        pieces = _file_pieces(Path(location), path, start)
    elif str(location).startswith(("http://", "https://")):
        from netc.zoo.http import pieces_of

        pieces = pieces_of(str(location), path, start)
    else:
        pieces = _fsspec_pieces(str(location), path, start)
    received = start
    for piece in pieces:
        received += len(piece)
        if received > limit:
            raise ZooError(f"{location}/{path}: is longer than the {limit} bytes it may have")
        yield piece


def read(location: str | Path, path: str, limit: int) -> bytes:
    """The whole of a small file in the zoo; ZooError beyond `limit` bytes."""
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
    """A file of a zoo in a directory. ZooError if it, or a folder on the way, is a link, or if it is no plain file.

    With `sole` it may have no other name. (Files of an installed package do: installers link them.)
    """
    place = root
    for part in path.split("/"):
        place /= part
        if place.is_symlink():
            raise ZooError(f"{place}: is a link, which a zoo must not hold")
    # O_NONBLOCK: opening a pipe that nobody writes would wait for ever.
    descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(descriptor)
    plain = stat.S_ISREG(status.st_mode)
    if not plain or (sole and status.st_nlink > 1):
        os.close(descriptor)
        what = "has another name (a hard link), under which it could change" if plain else "is not a plain file"
        raise ZooError(f"{place}: {what}")
    return os.fdopen(descriptor, "rb")


def _fsspec_pieces(location: str, path: str, start: int) -> Generator[bytes, None, None]:
    system, root = _file_system(location)
    try:
        with system.open(f"{root.rstrip('/')}/{path}", "rb") as file:
            file.seek(start)
            while piece := file.read(CHUNK):
                yield piece
    except FileNotFoundError:
        raise ZooError(f"{location}/{path}: there is no such file") from None
    except ZooError:
        raise
    except Exception as error:  # each library behind fsspec has errors of its own
        raise CutError(f"{location}/{path}: {str(error)[:300] or type(error).__name__}") from error


def _file_system(location: str) -> tuple[Any, str]:
    import fsspec

    scheme = location.partition("://")[0]
    try:
        system, root = fsspec.url_to_fs(location)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        raise ZooError(f"{location}: " + (f"{scheme}:// needs pip install 'netc[{extra}]'" if extra else str(error))) from error
    except ValueError as error:
        raise ZooError(f"{location}: a zoo is a directory, an http(s) address, or one such as s3:// or hf://; got {scheme}://") from error
    except Exception as error:
        raise ZooError(f"{location}: {str(error)[:300] or type(error).__name__}") from error
    return system, str(root)
