"""Files that are compressed, and the first bytes of a file."""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from netc.errors import DataError
from netc.files import CHUNK, open_plain
from netc.table.reading.part import PlainFile
from netc.table.reading.reasons import reason
from netc.table.reading.store import Store, literal


@dataclass(frozen=True)
class Compression:
    """A way to compress a file: its name, the end of its file names, what it begins with, and its reader; None if DuckDB reads it."""

    name: str
    suffix: str
    magic: bytes
    opened: Callable[[IO[bytes]], IO[bytes]] | None


COMPRESSIONS = (
    Compression("gzip", ".gz", b"\x1f\x8b", lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file))),
    Compression("bzip2", ".bz2", b"BZh", bz2.BZ2File),
    Compression("xz", ".xz", b"\xfd7zXZ\0", lzma.LZMAFile),
    Compression("zstd", ".zst", b"\x28\xb5\x2f\xfd", None),
)


def beginning(file: PlainFile, count: int) -> bytes:
    """The first bytes of a file. DataError if it cannot be read."""
    try:
        with open_plain(file.path) as stream:
            return stream.read(count)
    except IsADirectoryError as error:
        cure = f"Name a file in it, or several with a pattern such as {file.name.rstrip('/')}/*.csv."
        raise DataError(f"Cannot read {file.name}: It is a folder. {cure}") from error
    except OSError as error:
        reason = str(error.strerror or error)
        raise DataError(f"Cannot read {file.name}: {reason[:1].upper()}{reason[1:]}.") from error


def uncompressed(file: PlainFile, store: Store) -> tuple[PlainFile, str]:
    """The file without compression, and the end of its name.

    DataError if the name does not tell of the compression, or if the file is damaged.
    """
    start, path = beginning(file, 8), Path(file.name)
    found = next((c for c in COMPRESSIONS if start.startswith(c.magic)), None)
    named = next((c for c in COMPRESSIONS if path.suffix.lower() == c.suffix), None)
    if found is None and named is not None:
        raise DataError(f"{file.name}: The file is not compressed with {named.name}, as its name says.")
    if found is None:
        return file, path.suffix.lower()
    if found is not named and path.suffix:
        raise DataError(f"{file.name}: The file is compressed with {found.name}. Rename it to {path.name}{found.suffix}.")
    target = store.temporary()
    try:
        with target.open("wb") as copy:
            for piece in _pieces(found, file, store):
                copy.write(piece)
    except (OSError, EOFError, lzma.LZMAError, ValueError) as error:
        raise DataError(f"{file.name}: The {found.name} file is damaged or incomplete ({error}).") from error
    return PlainFile(target, file.name), path.with_suffix("").suffix.lower()


def _pieces(compression: Compression, file: PlainFile, store: Store) -> Iterator[bytes]:
    if compression.opened is None:
        yield from _lines(file.path, store)
        return
    with open_plain(file.path) as raw, compression.opened(raw) as stream:
        while piece := stream.read(CHUNK):
            yield piece


def _lines(path: Path, store: Store) -> Iterator[bytes]:
    """The lines of a text file that only DuckDB can open. ValueError if it cannot."""
    import duckdb

    with store.connection.cursor() as cursor:
        try:
            found = cursor.execute(
                f"select line from read_csv({literal(str(path))}, compression='zstd', auto_detect=false, delim=chr(1), quote='', escape='',"
                " header=false, columns={'line': 'VARCHAR'}, nullstr=[chr(1)])"
            )
            while rows := found.fetchmany(1000):
                yield "".join(f"{line or ''}\n" for (line,) in rows).encode()
        except duckdb.Error as error:
            raise ValueError(reason(error)) from error
