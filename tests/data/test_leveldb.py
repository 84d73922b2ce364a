"""LevelDB's files: tables (recorded ones), logs, deletions, snappy."""

import numpy as np
import pytest

from netc.data.datum import to_datum
from netc.data.leveldb import LevelDb
from netc.data.leveldb_files import LOG_BLOCK
from netc.data.snappy import decompress
from netc.errors import DataError
from tests.data.databases import log, write_leveldb
from tests.recorded import FOLDER


def write(folder, *batches):
    return LevelDb(write_leveldb(folder, batches=batches))


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
