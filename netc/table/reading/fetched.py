"""Fetch a file from an address to this machine."""

from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from netc.errors import DataError, ZooError
from netc.table.reading.addresses import address_of, scheme_of
from netc.table.reading.part import PlainFile
from netc.table.reading.store import Store


def fetched(source: str, store: Store) -> PlainFile:
    """Stream the file at an address to the folder of the store. DataError if it cannot be read."""
    name = address_of(source).name
    place, _, file = source.rpartition("/")
    path = store.temporary()
    pieces = _reader(source)(place, file)
    try:
        with path.open("wb") as copy:
            for piece in pieces:
                copy.write(piece)
    except ZooError as error:
        raise DataError(f"Cannot read {name}: {str(error).replace(source, '').removeprefix(': ').strip()}.".replace("..", ".")) from None
    finally:
        with suppress(Exception):
            pieces.close()
    return PlainFile(path, PurePosixPath(unquote(urlsplit(source).path)).name and name)


def _reader(source: str) -> Callable[[str, str], Generator[bytes, None, None]]:
    if scheme_of(source) in ("http", "https"):
        from netc.remote.http import pieces_of
    else:
        from netc.remote.systems import pieces_of
    return pieces_of
