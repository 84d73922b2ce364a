"""LevelDB, which Caffe reads by default: a reader of its files, since no maintained package for Python is one.

By the format's own documents (github.com/google/leveldb, doc/table_format.md and doc/log_format.md). Checksums are not
looked at. The newest entry of a key counts; keys are in the order of their bytes, the only one that Caffe uses.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from netc.data.database import table
from netc.data.snappy import decompress, varint
from netc.data.source import Request, Table
from netc.errors import DataError
from netc.registry import source

MAGIC = 0xDB4775248B80FB57
FOOTER, LOG_BLOCK, LOG_HEADER = 48, 32768, 7
Entry = tuple[bytes, bytes]


@source("leveldb", noun="images", channels="BGR")
def leveldb(request: Request) -> Table:
    """The Datums of a LevelDB."""
    return table(LevelDb(request.path), request)


class LevelDb:
    """A LevelDB read by row numbers. DataError if its files are not what they should be."""

    def __init__(self, path: Path):
        self.path = path
        try:
            found = _index(path)
        except (OSError, ValueError, IndexError, struct.error) as e:
            raise DataError(f"{path}: cannot be read as a LevelDB: {e}") from e
        self._rows = [(key, place, k) for key, (_, place, k) in sorted(found.items()) if place is not None]
        self.count = len(self._rows)

    def read(self, rows: Sequence[int]) -> list[tuple[bytes, bytes]]:
        """The keys and values of some rows."""
        chosen = [self._rows[row] for row in rows]
        return [(key, place if isinstance(place, bytes) else _block(*place)[k][1]) for key, place, k in chosen]


Place = tuple[Path, int, int]  # a block of a table: the file, its offset and size
Found = dict[bytes, tuple[int, Place | bytes | None, int]]  # sequence number, where the value is (None: deleted), which entry there


def _index(path: Path) -> Found:
    """Where the newest value of each key is: in a table, or, for what is in a log, itself."""
    tables, log_number = _version(path)
    found: Found = {}

    def add(key: bytes, sequence: int, place: Place | bytes | None, k: int) -> None:
        if key not in found or found[key][0] <= sequence:
            found[key] = (sequence, place, k)

    for number in tables:
        file = next(f for suffix in ("ldb", "sst") if (f := path / f"{number:06}.{suffix}").exists())
        for place in _blocks(file):
            for k, (internal, _) in enumerate(_block(*place)):
                (tag,) = struct.unpack("<Q", internal[-8:])
                add(internal[:-8], tag >> 8, place if tag & 0xFF else None, k)
    for log in sorted(f for f in path.glob("*.log") if f.stem.isdigit() and int(f.stem) >= log_number):
        for sequence, key, value in _batches(log):
            add(key, sequence, value, 0)
    return found


def _version(path: Path) -> tuple[set[int], int]:
    """The numbers of the tables that make up the database now, and of the first log that is not in them."""
    tables, log_number = set[int](), 0
    for record in _records(path / (path / "CURRENT").read_text().strip()):
        at = 0
        while at < len(record):
            tag, at = varint(record, at)
            if tag == 1:  # the comparator's name
                _, at = _string(record, at)
            elif tag in (2, 3, 4, 9):
                value, at = varint(record, at)
                log_number = value if tag == 2 else log_number
            elif tag == 5:
                _, at = varint(record, at)
                _, at = _string(record, at)
            elif tag in (6, 7):
                _, at = varint(record, at)
                number, at = varint(record, at)
                if tag == 6:
                    tables.discard(number)
                    continue
                _, at = varint(record, at)
                _, at = _string(record, at)
                _, at = _string(record, at)
                tables.add(number)
            else:
                raise ValueError(f"its manifest has a field {tag}, which is not LevelDB's")
    return tables, log_number


def _blocks(file: Path) -> Iterator[Place]:
    """The data blocks of a table."""
    with file.open("rb") as opened:
        opened.seek(-FOOTER, 2)
        footer = opened.read()
    if struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError(f"{file.name} is no table")
    at = 0
    for _ in range(2):  # the handle of the meta index
        _, at = varint(footer, at)
    offset, at = varint(footer, at)
    size, _ = varint(footer, at)
    for _, handle in _block(file, offset, size):
        offset, at = varint(handle, 0)
        yield file, offset, varint(handle, at)[0]


@lru_cache(maxsize=64)
def _block(file: Path, offset: int, size: int) -> list[Entry]:
    """The keys and values of a block. A key gives how much of the one before it has in common."""
    with file.open("rb") as opened:
        opened.seek(offset)
        content, kind = opened.read(size), opened.read(1)
    if kind == b"\1":
        content = decompress(content)
    elif kind != b"\0":
        raise ValueError(f"{file.name} is compressed in a way that is not LevelDB's own")
    (restarts,) = struct.unpack("<I", content[-4:])
    end, at, key = len(content) - 4 * (restarts + 1), 0, b""
    entries = []
    while at < end:
        shared, at = varint(content, at)
        own, at = varint(content, at)
        length, at = varint(content, at)
        key = key[:shared] + content[at : at + own]
        entries.append((key, content[at + own : at + own + length]))
        at += own + length
    return entries


def _batches(log: Path) -> Iterator[tuple[int, bytes, bytes | None]]:
    """Sequence number, key and value (None: deleted) of all that was written to a log."""
    for record in _records(log):
        sequence, count = struct.unpack("<QI", record[:12])
        at = 12
        for k in range(count):
            kind = record[at]
            key, at = _string(record, at + 1)
            value = None
            if kind == 1:
                value, at = _string(record, at)
            yield sequence + k, key, value


def _records(file: Path) -> Iterator[bytes]:
    """The records of a log, put together from their pieces; one that a crash cut short ends it."""
    content, at, parts = file.read_bytes(), 0, b""
    while at + LOG_HEADER <= len(content):
        if LOG_BLOCK - at % LOG_BLOCK < LOG_HEADER:
            at += LOG_BLOCK - at % LOG_BLOCK
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + LOG_HEADER])
        piece = content[at + LOG_HEADER : at + LOG_HEADER + length]
        at += LOG_HEADER + length
        parts = piece if kind in (1, 2) else parts + piece  # 1 whole, 2 first, 3 middle, 4 last
        if kind in (1, 4):
            yield parts


def _string(content: bytes, at: int) -> tuple[bytes, int]:
    length, at = varint(content, at)
    if at + length > len(content):
        raise ValueError("an entry ends before its length")
    return content[at : at + length], at + length
