"""LevelDB's files: tables (recorded ones), logs, deletions, snappy."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.data.datum import to_datum
from netc.data.sources.leveldb import LevelDb
from netc.errors import DataError
from netc.formats.crc32c import masked_crc32c
from netc.formats.leveldb import LOG_BLOCK, table_block
from netc.formats.snappy import decompress
from tests.data.databases import batch, log, write_leveldb
from tests.recorded import FOLDER


def write(folder: Path, *batches: Any) -> LevelDb:
    return LevelDb(write_leveldb(folder, batches=batches))


def test_the_newest_entry_of_a_log_counts(tmp_path: Path) -> None:
    found = write(tmp_path / "db", [(b"b", b"1"), (b"a", b"2"), (b"c", b"3")], [(b"b", b"4"), (b"c", None)])
    assert found.count == 2 and found.read([0, 1]) == [(b"a", b"2"), (b"b", b"4")]


def test_a_record_over_several_blocks(tmp_path: Path) -> None:
    large = to_datum(np.random.default_rng(0).integers(0, 256, (3, 200, 200)).astype(np.uint8), 7).SerializeToString()
    assert len(large) > 3 * LOG_BLOCK
    assert write(tmp_path / "db", [(b"k", large)]).read([0]) == [(b"k", large)]


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded results in {FOLDER}")
def test_tables() -> None:
    found = LevelDb(FOLDER / "data" / "gray_leveldb")
    with np.load(FOLDER / "data" / "contents.npz") as contents:
        assert found.count == len(contents["gray"])
    assert [key for key, _ in found.read(range(found.count))] == sorted(key for key, _ in found.read(range(found.count)))


def test_snappy() -> None:
    assert decompress(b"\x05\x10hello") == b"hello"
    assert decompress(b"\x0a\x04ab\x11\x02") == b"ababababab"  # a copy that overlaps what it writes
    assert decompress(b"\x0b\x08abc\x1e\x03\x00") == b"abcabcabcab"  # its distance in two bytes
    assert decompress(b"\x64\xf0\x63" + b"x" * 100) == b"x" * 100
    for wrong in (b"\x05\x10hell", b"\x06\x10hello", b"\x05\x01\x09"):
        with pytest.raises((ValueError, IndexError)):
            decompress(wrong)


@pytest.mark.parametrize("name, content", [
    ("CURRENT", b"MANIFEST-000009\n"),
    ("CURRENT", b"../MANIFEST-000002\n"),
    ("CURRENT", b"MANIFEST-000002"),
    ("MANIFEST-000002", log(b"\x63\0")),
    ("MANIFEST-000002", b""),
    ("000003.log", log(b"short")),
    ("000003.log", log(bytes(8) + b"\1\0\0\0\1\x63key")),
    ("000003.log", log(bytes(8) + b"\1\0\0\0\7\1k\1v")),
    ("000003.log", log(bytes(8) + b"\1\0\0\0\1\1k\xff\xff\xff\xff\xff\xff\xff\xff\xff\1v")),
    ("000003.log", bytes(100)),
    ("000003.log", log(b"x" * 50000)[:40000]),
])  # fmt: skip
def test_damage_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path / "db", [(b"a", b"1")])
    (tmp_path / "db" / name).write_bytes(content)
    with pytest.raises(DataError, match="Cannot read .*db as a LevelDB"):
        LevelDb(tmp_path / "db")


ROWS = [(b"%03d" % k, bytes([k]) * 50) for k in range(40)]
GAP = log(batch(21, ROWS[20:30]), batch(32, ROWS[30:]))


def test_tables_that_follow_one_another_and_a_log(tmp_path: Path) -> None:
    newer = [(k, b"new") for k, _ in ROWS[10:20]]
    write_leveldb(tmp_path / "db", [ROWS, newer], [[(b"000", None), (b"999", b"last")]], packed=True)
    found = LevelDb(tmp_path / "db")
    assert found.read(range(found.count)) == [*ROWS[1:10], *newer, *ROWS[20:], (b"999", b"last")]


@pytest.mark.parametrize("packed", [False, True])
def test_every_byte_of_a_table_counts_or_is_checked(tmp_path: Path, packed: bool) -> None:
    """A changed byte anywhere is an error, or (in what is not read) nothing; checksums were not looked at once."""
    file = write_leveldb(tmp_path / "db", [ROWS], packed=packed) / "000005.ldb"
    whole, refused = file.read_bytes(), 0
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            assert LevelDb(tmp_path / "db").read(range(len(ROWS))) == ROWS
        except DataError:
            refused += 1
    assert refused > 0.9 * len(whole)


def test_every_byte_of_a_log_and_of_the_manifest_is_checked(tmp_path: Path) -> None:
    folder = write_leveldb(tmp_path / "db", [ROWS[:20]], [ROWS[20:30], ROWS[30:]])
    for name in ("000003.log", "MANIFEST-000002"):
        whole = (folder / name).read_bytes()
        for at in range(len(whole)):
            (folder / name).write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
            with pytest.raises(DataError, match="Cannot read .* as a LevelDB"):
                LevelDb(folder)
        (folder / name).write_bytes(whole)


@pytest.mark.parametrize("change, message", [
    (lambda f: (f / "000005.ldb").unlink(), "the table 000005.ldb is missing"),
    (lambda f: (f / "000003.log").unlink(), "000003.log is missing. It has the rows that were written last."),
    (lambda f: (f / "000005.ldb").write_bytes((f / "000005.ldb").read_bytes()[:-10]), "000005.ldb has .* bytes; its manifest says"),
    (lambda f: (f / "000009.ldb").write_bytes(b""), "does not know the table 000009"),
    (lambda f: (f / "000003.log").write_bytes(GAP), "entry number 32 follows where 31 should"),
    (lambda f: (f / "000003.log").write_bytes((f / "000003.log").read_bytes()[:-1]), "000003.log ends within a record"),
], ids=["table", "log", "cut table", "unknown table", "gap", "cut log"])  # fmt: skip
def test_what_is_missing_is_named(tmp_path: Path, change: Callable[..., Any], message: str) -> None:
    folder = write_leveldb(tmp_path / "db", [ROWS[:20]], [ROWS[20:30], ROWS[30:]])
    assert LevelDb(folder).count == 40
    change(folder)
    with pytest.raises(DataError, match=message):
        LevelDb(folder)


def test_keys_in_another_order_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.data.databases.COMPARATOR", b"idb_cmp1")
    with pytest.raises(DataError, match="its keys are ordered by idb_cmp1. Caffe orders keys by their bytes"):
        LevelDb(write_leveldb(tmp_path / "db", [ROWS]))


def test_sizes_without_measure_take_no_memory(tmp_path: Path) -> None:
    """With the right checksums, so that they are believed."""
    with pytest.raises(ValueError, match="snappy data of 1152921504606846975 bytes in"):
        decompress(b"\xff\xff\xff\xff\xff\xff\xff\xff\x0fabc")
    with pytest.raises(ValueError, match="more than 64 bits"):
        decompress(b"\xff" * 100)
    (tmp_path / "t.ldb").write_bytes(bytes(100))
    with pytest.raises(ValueError, match="a block at 4 of 9223372036854775807 bytes is not in it"):
        table_block(tmp_path / "t.ldb", 4, 2**63 - 1)
    for content in (struct.pack("<I", 2**32 - 1), b"\0\x7f\1" + struct.pack("<II", 0, 1), b"\5\1\1ab" + struct.pack("<II", 0, 1)):
        block = content + b"\0"
        (tmp_path / "t.ldb").write_bytes(block + struct.pack("<I", masked_crc32c(block)))
        with pytest.raises(ValueError, match="the block at 0 is damaged"):
            table_block(tmp_path / "t.ldb", 0, len(content))
