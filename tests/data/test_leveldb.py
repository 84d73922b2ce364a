"""LevelDB's files: tables (recorded ones), logs, deletions, snappy."""

import struct

import numpy as np
import pytest

from netc.data.datum import to_datum
from netc.data.leveldb import LOG_BLOCK, LevelDb
from netc.data.snappy import decompress
from netc.errors import DataError
from tests.recorded import FOLDER


def varint(n: int) -> bytes:
    return bytes([n & 0x7F | 0x80]) + varint(n >> 7) if n > 0x7F else bytes([n])


def string(content: bytes) -> bytes:
    return varint(len(content)) + content


def log(record: bytes) -> bytes:
    """A record in the blocks of a log file, without checksums."""
    out, kind = b"", 2
    if len(record) <= LOG_BLOCK - 7:
        return bytes(4) + struct.pack("<HB", len(record), 1) + record
    while record:
        piece, record = record[: LOG_BLOCK - 7], record[LOG_BLOCK - 7 :]
        out += bytes(4) + struct.pack("<HB", len(piece), kind if record else 4) + piece
        kind = 3
    return out


def write(folder, *batches):
    """A database that is all in its log: batches of (key, value), None for a deletion."""
    folder.mkdir()
    (folder / "CURRENT").write_text("MANIFEST-000002\n")
    edit = varint(1) + string(b"leveldb.BytewiseComparator") + varint(2) + varint(3) + varint(3) + varint(4) + varint(4) + varint(0)
    (folder / "MANIFEST-000002").write_bytes(log(edit))
    content, sequence = b"", 1
    for batch in batches:
        entries = b"".join(b"\0" + string(k) if v is None else b"\1" + string(k) + string(v) for k, v in batch)
        record, sequence = struct.pack("<QI", sequence, len(batch)) + entries, sequence + len(batch)
        content += log(record)
    (folder / "000003.log").write_bytes(content)
    return LevelDb(folder)


def test_the_newest_entry_of_a_log_counts(tmp_path):
    found = write(tmp_path / "db", [(b"b", b"1"), (b"a", b"2"), (b"c", b"3")], [(b"b", b"4"), (b"c", None)])
    assert found.count == 2 and found.read([0, 1]) == [(b"a", b"2"), (b"b", b"4")]


def test_a_record_over_several_blocks(tmp_path):
    large = to_datum(np.random.default_rng(0).integers(0, 256, (3, 200, 200)).astype(np.uint8), 7).SerializeToString()
    assert len(large) > 3 * LOG_BLOCK
    assert write(tmp_path / "db", [(b"k", large)]).read([0]) == [(b"k", large)]


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded results in {FOLDER}")
def test_tables():
    found = LevelDb(FOLDER / "data" / "gray_leveldb")
    with np.load(FOLDER / "data" / "contents.npz") as contents:
        assert found.count == len(contents["gray"])
    assert [key for key, _ in found.read(range(found.count))] == sorted(key for key, _ in found.read(range(found.count)))


def test_snappy():
    assert decompress(b"\x05\x10hello") == b"hello"
    assert decompress(b"\x0a\x04ab\x11\x02") == b"ababababab"  # a copy that overlaps what it writes
    assert decompress(b"\x0b\x08abc\x1e\x03\x00") == b"abcabcabcab"  # its distance in two bytes
    assert decompress(b"\x64\xf0\x63" + b"x" * 100) == b"x" * 100
    for wrong in (b"\x05\x10hell", b"\x06\x10hello", b"\x05\x01\x09"):
        with pytest.raises((ValueError, IndexError)):
            decompress(wrong)


@pytest.mark.parametrize("name, content", [
    ("CURRENT", b"MANIFEST-000009\n"),
    ("MANIFEST-000002", log(b"\x63\0")),
    ("000003.log", log(b"short")),
    ("000003.log", log(bytes(8) + b"\1\0\0\0\1\x63key")),
])  # fmt: skip
def test_damage_is_an_error(tmp_path, name, content):
    write(tmp_path / "db", [(b"a", b"1")])
    (tmp_path / "db" / name).write_bytes(content)
    with pytest.raises(DataError, match="db: cannot be read as a LevelDB"):
        LevelDb(tmp_path / "db")
