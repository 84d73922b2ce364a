"""Small databases as their libraries write them: a LevelDB byte by byte, an LMDB by liblmdb."""

import struct
from collections.abc import Sequence
from pathlib import Path

from netc import netc_pb2 as pb
from netc.data.datum import checksum
from netc.formats.crc32c import masked_crc32c
from netc.formats.leveldb import LOG_BLOCK, MAGIC

Row = tuple[bytes, bytes | None]
COMPARATOR = b"leveldb.BytewiseComparator"


def varint(n: int) -> bytes:
    return bytes([n & 0x7F | 0x80]) + varint(n >> 7) if n > 0x7F else bytes([n])


def string(content: bytes) -> bytes:
    return varint(len(content)) + content


def log(*records: bytes) -> bytes:
    """The content of a log file: records in pieces that end with its blocks."""
    out = b""
    for record in records:
        first = True
        while first or record:
            left = LOG_BLOCK - len(out) % LOG_BLOCK
            if left < 7:
                out += bytes(left)
                continue
            piece, record = record[: left - 7], record[left - 7 :]
            kind = (1 if first else 4) if not record else (2 if first else 3)
            out += struct.pack("<IHB", masked_crc32c(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
    return out


def batch(sequence: int, rows: Sequence[Row]) -> bytes:
    """A record of a log of rows: None deletes."""
    entries = b"".join(b"\0" + string(k) if v is None else b"\1" + string(k) + string(v) for k, v in rows)
    return struct.pack("<QI", sequence, len(rows)) + entries


def _block(entries: Sequence[tuple[bytes, bytes]], packed: bool = False) -> bytes:
    out, last, restarts = b"", b"", []
    for k, (key, value) in enumerate(entries):
        shared = 0
        if k % 4 == 0:
            restarts.append(len(out))
        else:
            shared = next((i for i, (a, b) in enumerate(zip(key, last, strict=False)) if a != b), min(len(key), len(last)))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    content = out + b"".join(struct.pack("<I", r) for r in restarts) + struct.pack("<I", len(restarts))
    return packed_by_snappy(content) + b"\1" if packed else content + b"\0"


def packed_by_snappy(content: bytes) -> bytes:
    """Snappy data: runs of a byte as a literal and copies, the rest as literals."""
    out, at = varint(len(content)), 0
    while at < len(content):
        run = 1
        while run < 60 and content[at : at + run + 1] == content[at : at + 1] * (run + 1):
            run += 1
        if run > 4:
            out += bytes([0, content[at], (run - 2) << 2 | 2, 1, 0])
            at += run
            continue
        piece = content[at : at + 40]
        out += bytes([(len(piece) - 1) << 2]) + piece
        at += len(piece)
    return out


def table(rows: Sequence[Row], sequence: int, a_block: int = 5, packed: bool = False) -> bytes:
    """The content of a table of rows, which must be in order."""
    out, index = b"", []

    def add(content: bytes) -> bytes:
        nonlocal out
        handle = varint(len(out)) + varint(len(content) - 1)
        out += content + struct.pack("<I", masked_crc32c(content))
        return handle

    internal = [(k + struct.pack("<Q", (sequence + i) << 8 | (v is not None)), v or b"") for i, (k, v) in enumerate(rows)]
    for at in range(0, len(internal), a_block):
        entries = internal[at : at + a_block]
        index.append((entries[-1][0], add(_block(entries, packed))))
    meta, main = add(_block([])), add(_block(index))
    return out + (meta + main).ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def write_leveldb(folder: Path, tables: Sequence[Sequence[Row]] = (), batches: Sequence[Sequence[Row]] = (), packed: bool = False) -> Path:
    """A LevelDB of tables, older ones first, and of batches in its log."""
    folder.mkdir()
    (folder / "CURRENT").write_text("MANIFEST-000002\n")
    sequence, edits = 1, [varint(1) + string(COMPARATOR)]
    for number, rows in enumerate(tables, 5):
        content = table(rows, sequence, packed=packed)
        (folder / f"{number:06}.ldb").write_bytes(content)
        keys = [string(k + struct.pack("<Q", sequence << 8 | 1)) for k in (rows[0][0], rows[-1][0])]
        edits.append(varint(7) + varint(0) + varint(number) + varint(len(content)) + b"".join(keys))
        sequence += len(rows)
    edits.append(b"".join(varint(tag) + varint(value) for tag, value in ((2, 3), (9, 0), (3, 40), (4, sequence - 1))))
    (folder / "MANIFEST-000002").write_bytes(log(*edits))
    records = []
    for rows in batches:
        records.append(batch(sequence, rows))
        sequence += len(rows)
    (folder / "000003.log").write_bytes(log(*records))
    return folder


def write_lmdb(folder: Path, rows: Sequence[tuple[bytes, bytes]], a_commit: int = 1000) -> Path:
    """An LMDB of rows."""
    import lmdb

    with lmdb.open(str(folder), map_size=1 << 26) as database:
        for at in range(0, len(rows), a_commit):
            with database.begin(write=True) as transaction:
                for key, value in rows[at : at + a_commit]:
                    transaction.put(key, value)
    return folder


def datum(pixels: bytes, channels: int, side: int, label: int, checked: bool = False) -> bytes:
    """A Datum of bytes, with the checksum that netc writes or, as Caffe's have it, without."""
    made = pb.Datum(channels=channels, height=side, width=side, data=pixels, label=label)
    if checked:
        made.checksum = checksum(made)
    return made.SerializeToString()
