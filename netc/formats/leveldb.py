"""The two file types of a LevelDB, with their checksums: logs of records, and tables of blocks."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netc.files import open_plain
from netc.formats.crc32c import masked_crc32c
from netc.formats.snappy import decompress, varint

MAGIC = 0xDB4775248B80FB57
FOOTER, LOG_BLOCK, LOG_HEADER, TRAILER = 48, 32768, 7, 5
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
Place = tuple[Path, int, int]  # a block of a table: the file, its offset and size
Entry = tuple[bytes, bytes]


class FormatError(ValueError):
    """The file is not in LevelDB's format."""


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """Raise FormatError if a number in the body of the `with` leads outside of the data."""
    try:
        yield
    except (IndexError, ValueError, struct.error) as e:
        raise FormatError(f"{what}: {e}") from e


def records(file: Path) -> Iterator[bytes]:
    """The records of a log, joined from their pieces. FormatError for a damaged or incomplete record."""
    parts, start = list[bytes](), 0
    with open_plain(file) as opened:
        while block := opened.read(LOG_BLOCK):
            for kind, piece in _pieces(file.name, block, start):
                if kind not in (FULL, FIRST, MIDDLE, LAST) or (kind in (FULL, FIRST)) == bool(parts):
                    raise FormatError(f"{file.name}: a piece of a record in the block at {start} is out of order")
                parts.append(piece)
                if kind in (FULL, LAST):
                    yield b"".join(parts)
                    parts = []
            start += len(block)
    if parts:
        raise FormatError(f"{file.name} ends within a record")


def _pieces(name: str, block: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """The pieces of records in a log block that starts at `start`, each with its kind."""
    at = 0
    while at < len(block):
        if LOG_BLOCK - at < LOG_HEADER:
            if block[at:].strip(b"\0"):
                raise FormatError(f"{name}: the padding of the block at {start} is not empty")
            return
        content = block[at + LOG_HEADER - 1 :]
        checksum, length = struct.unpack("<IH", block[at : at + LOG_HEADER - 1].ljust(LOG_HEADER - 1, b"\0"))
        if len(content) < 1 + length and len(block) < LOG_BLOCK:
            raise FormatError(f"{name} ends within a record")
        if len(content) < 1 + length or checksum != masked_crc32c(content[: 1 + length]):
            raise FormatError(f"{name}: the checksum of the record at {start + at} does not match its bytes")
        yield content[0], content[1 : 1 + length]
        at += LOG_HEADER + length


def table_blocks(file: Path) -> Iterator[Place]:
    """The data blocks of a table."""
    with open_plain(file) as opened:
        if os.fstat(opened.fileno()).st_size < FOOTER:
            raise FormatError(f"{file.name} is no table")
        opened.seek(-FOOTER, os.SEEK_END)
        footer = opened.read()
    if struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise FormatError(f"{file.name} is no table")
    with bounded(f"{file.name}: its footer is damaged"):
        at = 0
        for _ in range(2):  # skips the handle of the meta index
            _, at = varint(footer, at)
        offset, at = varint(footer, at)
        size, _ = varint(footer, at)
    for _, handle in table_block(file, offset, size):
        with bounded(f"{file.name}: its index is damaged"):
            offset, at = varint(handle, 0)
            size, _ = varint(handle, at)
        yield file, offset, size


def table_block(file: Path, offset: int, size: int) -> list[Entry]:
    """The keys and values of a block. FormatError if its checksum is wrong, or its numbers lead outside of it."""
    with open_plain(file) as opened:
        if offset + size + TRAILER > os.fstat(opened.fileno()).st_size:
            raise FormatError(f"{file.name}: a block at {offset} of {size} bytes is not in it")
        opened.seek(offset)
        content, checksum = opened.read(size + 1), int.from_bytes(opened.read(TRAILER - 1), "little")
    if checksum != masked_crc32c(content):
        raise FormatError(f"{file.name}: the checksum of the block at {offset} does not match its bytes")
    content, kind = content[:-1], content[-1]
    if kind not in (0, 1):
        raise FormatError(f"{file.name} is compressed with something other than Snappy")
    with bounded(f"{file.name}: the block at {offset} is damaged"):
        return list(_entries(decompress(content) if kind else content))


def _entries(content: bytes) -> Iterator[Entry]:
    """Keys and values. Each key starts with a stated number of bytes of the previous key."""
    (restarts,) = struct.unpack("<I", content[-4:])
    end, at, key = len(content) - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise ValueError(f"{restarts} restarts in {len(content)} bytes")
    while at < end:
        shared, at = varint(content, at)
        own, at = varint(content, at)
        length, at = varint(content, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError("an entry goes beyond its end")
        key = key[:shared] + content[at : at + own]
        yield key, content[at + own : at + own + length]
        at += own + length


def string(content: bytes, at: int) -> tuple[bytes, int]:
    """Bytes with a length prefix, and the position of their end."""
    length, at = varint(content, at)
    if at + length > len(content):
        raise ValueError("an entry ends before its length")
    return content[at : at + length], at + length
