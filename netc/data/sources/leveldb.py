"""LevelDB, Caffe's default format: netc has its own reader, because no Python package for it is maintained.

The format's own documents define it (github.com/google/leveldb, doc/table_format.md and doc/log_format.md). The newest entry of a key
counts. Keys are in byte order, the only order that Caffe uses.

The reader verifies all checksums in LevelDB's files. It also checks that no table, log or part of a record is missing, and that
sequence numbers are consecutive.
"""

import re
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from netc.data.source import Request, Table
from netc.data.sources.database import table
from netc.errors import DataError
from netc.files import read_file
from netc.formats.leveldb import FormatError, Place, bounded, records, string, table_block, table_blocks
from netc.formats.snappy import varint
from netc.registry import source

COMPARATOR = b"leveldb.BytewiseComparator"
DELETION, VALUE = 0, 1


@source("leveldb", noun="images", channels="BGR")
def leveldb(request: Request) -> Table:
    """The Datums in a LevelDB."""
    return table(LevelDb(request.path), request)


class LevelDb:
    """A LevelDB, read by row number. DataError if its files are damaged."""

    def __init__(self, path: Path):
        self.path = path
        try:
            found = _index(path)
        except (OSError, FormatError) as e:
            raise self._error(e) from e
        self._rows = [(key, place, k) for key, (_, place, k) in sorted(found.items()) if place is not None]
        self.count = len(self._rows)

    def read(self, rows: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """Read the keys and values of some rows."""
        chosen = [self._rows[row] for row in rows]
        try:
            return [(key, place if isinstance(place, bytes) else _block(*place)[k][1]) for key, place, k in chosen]
        except (OSError, FormatError) as e:
            raise self._error(e) from e

    def _error(self, error: Exception) -> DataError:
        text = error if isinstance(error, FormatError) else f"{getattr(error, 'filename', None) or ''}: {getattr(error, 'strerror', error)}"
        return DataError(f"Cannot read {self.path} as a LevelDB: {text}")


Found = dict[bytes, tuple[int, Place | bytes | None, int]]  # sequence number, value or its place (None: deleted), entry number

_block = lru_cache(maxsize=64)(table_block)


def _index(path: Path) -> Found:
    """The location of each key's newest value in a table, or the value itself if it is in a log."""
    version = _version(path)
    found: Found = {}

    def add(key: bytes, sequence: int, place: Place | bytes | None, k: int) -> None:
        if key not in found or found[key][0] <= sequence:
            found[key] = (sequence, place, k)

    for number, size in version.tables.items():
        file = _table_file(path, number, size)
        for place in table_blocks(file):
            for k, (internal, _) in enumerate(_block(*place)):
                key, sequence, kind = _parted(internal, file)
                add(key, sequence, None if kind == DELETION else place, k)
    for log in version.logs(path):
        for sequence, key, value in _batches(log):
            add(key, sequence, value, 0)
    return found


class _Version:
    """The current version of the database in the manifest: the tables with their sizes, and the first log that they do not include."""

    def __init__(self) -> None:
        self.tables: dict[int, int] = {}
        self.mentioned = set[int]()
        self.numbers: dict[int, int] = {}  # the newest value of each numeric field, by its tag
        self.comparator = b""

    def logs(self, path: Path) -> list[Path]:
        """The logs that the tables do not include. FormatError if there are none, because LevelDB always has one."""
        first, previous = self.numbers[2], self.numbers.get(9, 0)
        numbers = sorted(int(f.stem) for f in path.glob("*.log") if f.stem.isascii() and f.stem.isdigit())
        if first not in numbers or (previous and previous not in numbers):
            raise FormatError(f"{first:06}.log is missing. It has the rows that were written last.")
        return [path / f"{number:06}.log" for number in numbers if number >= first or number == previous]


def _version(path: Path) -> _Version:
    manifest = re.fullmatch(rb"(MANIFEST-\d+)\n", read_file(path / "CURRENT"))
    if not manifest:
        raise FormatError("CURRENT does not name a manifest.")
    version, name = _Version(), manifest[1].decode()
    for record in records(path / name):
        with bounded(f"{name}: a record of it is damaged"):
            _edit(version, record)
    if version.comparator != COMPARATOR:
        order = version.comparator.decode(errors="replace") or "nothing"
        raise FormatError(f"its keys are ordered by {order}. Caffe orders keys by their bytes.")
    if not {2, 3, 4} <= version.numbers.keys():
        raise FormatError(f"{name} is truncated. It does not list the files of the database.")
    here = {int(f.stem) for suffix in ("ldb", "sst") for f in path.glob(f"*.{suffix}") if f.stem.isascii() and f.stem.isdigit()}
    if unknown := sorted(here - version.mentioned):
        text = "it is truncated, or the database was not closed (LevelDB repairs it)."
        raise FormatError(f"{name} does not know the table {unknown[0]:06}: {text}")
    return version


def _edit(version: _Version, record: bytes) -> None:
    """Apply one record of the manifest."""
    at = 0
    while at < len(record):
        tag, at = varint(record, at)
        if tag == 1:
            version.comparator, at = string(record, at)
        elif tag in (2, 3, 4, 9):
            version.numbers[tag], at = varint(record, at)
        elif tag == 5:
            _, at = varint(record, at)
            _, at = string(record, at)
        elif tag in (6, 7):
            _, at = varint(record, at)
            number, at = varint(record, at)
            version.mentioned.add(number)
            if tag == 6:
                version.tables.pop(number, None)
                continue
            version.tables[number], at = varint(record, at)
            _, at = string(record, at)
            _, at = string(record, at)
        else:
            raise ValueError(f"it has a field {tag}, which LevelDB does not write")


def _table_file(path: Path, number: int, size: int) -> Path:
    files = [f for suffix in ("ldb", "sst") if (f := path / f"{number:06}.{suffix}").exists()]
    if not files:
        raise FormatError(f"the table {number:06}.ldb is missing")
    if files[0].stat().st_size != size:
        raise FormatError(f"{files[0].name} has {files[0].stat().st_size} bytes; its manifest says {size}")
    return files[0]


def _parted(internal: bytes, file: Path) -> tuple[bytes, int, int]:
    """The key, sequence number and kind of an entry in a table."""
    if len(internal) < 8:
        raise FormatError(f"{file.name}: a key of {len(internal)} bytes")
    (tag,) = struct.unpack("<Q", internal[-8:])
    if tag & 0xFF not in (DELETION, VALUE):
        raise FormatError(f"{file.name}: an entry of kind {tag & 0xFF}, which LevelDB does not write")
    return internal[:-8], tag >> 8, tag & 0xFF


def _batches(log: Path) -> Iterator[tuple[int, bytes, bytes | None]]:
    """The sequence number, key and value (None: deleted) of every entry in a log."""
    expected = None
    for record in records(log):
        with bounded(f"{log.name}: a batch of it is damaged"):
            sequence, count = struct.unpack_from("<QI", record)
            entries = list(_entries(record, count))
        if expected is not None and sequence != expected:
            raise FormatError(f"{log.name}: entry number {sequence} follows where {expected} should")
        expected = sequence + count
        yield from ((sequence + k, key, value) for k, (key, value) in enumerate(entries))


def _entries(record: bytes, count: int) -> Iterator[tuple[bytes, bytes | None]]:
    at = 12
    for _ in range(count):
        kind = record[at]
        if kind not in (DELETION, VALUE):
            raise ValueError(f"an entry of kind {kind}, which LevelDB does not write")
        key, at = string(record, at + 1)
        value = None
        if kind == VALUE:
            value, at = string(record, at)
        yield key, value
    if at != len(record):
        raise ValueError(f"{len(record) - at} bytes follow its {count} entries")
