"""LMDB files, read page by page: small and large values, what is damaged, what is there in place of one."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from netc import data
from netc.data.sources.lmdb import Lmdb
from netc.errors import DataError
from tests.data.databases import datum, write_leveldb, write_lmdb
from tests.data.layers import data_layer
from tests.recorded import FOLDER

pytest.importorskip("lmdb")
PAGE = 4096
ROWS = [(b"%06d" % k, bytes([k % 256]) * (40 if k % 3 else 9000)) for k in range(700)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lmdb(tmp_path_factory.mktemp("lmdb") / "db", ROWS, a_commit=50)


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "db")
    return tmp_path / "db" / "data.mdb"


def test_all_rows_in_the_order_of_their_keys(made: Path) -> None:
    found = Lmdb(made)
    assert found.count == 700 and found.read(range(700)) == ROWS and found.read([5, 3]) == [ROWS[5], ROWS[3]]


def test_rows_that_were_put_out_of_order_and_taken_away(tmp_path: Path) -> None:
    import lmdb

    order = np.random.default_rng(0).permutation(700)
    write_lmdb(tmp_path / "db", [ROWS[k] for k in order], a_commit=30)
    with lmdb.open(str(tmp_path / "db"), map_size=1 << 26) as database, database.begin(write=True) as transaction:
        for key, _ in ROWS[100:500]:
            transaction.delete(key)
    assert Lmdb(tmp_path / "db").read(range(300)) == ROWS[:100] + ROWS[500:]


def test_a_compacted_copy_and_one_without_rows(made: Path, tmp_path: Path) -> None:
    import lmdb

    (tmp_path / "copy").mkdir()
    with lmdb.open(str(made), readonly=True, lock=False) as database:
        database.copy(str(tmp_path / "copy"), compact=True)
    assert Lmdb(tmp_path / "copy").read(range(700)) == ROWS
    assert Lmdb(write_lmdb(tmp_path / "none", [])).count == 0
    with pytest.raises(DataError, match="none: The database is empty"):
        data.describe(data_layer(tmp_path / "none"), "TRAIN")


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded results in {FOLDER}")
def test_what_caffe_wrote() -> None:
    with np.load(FOLDER / "data" / "contents.npz") as contents:
        assert Lmdb(FOLDER / "data" / "gray_lmdb").count == len(contents["gray"])


def test_the_folder_or_the_file_in_it(tmp_path: Path) -> None:
    write_lmdb(tmp_path / "db", [(b"%d" % k, datum(bytes([k] * 12), 3, 2, k)) for k in range(3)])
    for source in ("db", "db/data.mdb"):
        assert data.open(data_layer(source, 3), "TEST", 0, tmp_path).batch(0)[1].tolist() == [0, 1, 2]


@pytest.mark.parametrize("source, message", [
    ("nowhere_lmdb", "'nowhere_lmdb' is neither a data set nor a file or folder"),
    ("nowhere/data.mdb", "There is no file .*nowhere/data.mdb"),
    ("empty", "empty: There is no data.mdb in this folder"),
    ("x" * 5000, "is neither a data set nor a file or folder"),
])  # fmt: skip
def test_what_is_not_there(tmp_path: Path, source: str, message: str) -> None:
    from netc import netc_pb2 as pb

    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        data.describe(data_layer(source, backend=pb.DataParameter.LMDB), "TRAIN", tmp_path)


def test_a_database_is_told_by_its_files_and_then_by_the_layer(tmp_path: Path) -> None:
    from netc import netc_pb2 as pb

    write_leveldb(tmp_path / "ldb", batches=[[(b"k", datum(bytes(12), 3, 2, 7))]])
    assert data.open(data_layer("ldb", 1, backend=pb.DataParameter.LMDB), "TEST", 0, tmp_path).batch(0)[1].tolist() == [7]
    (tmp_path / "ldb" / "CURRENT").unlink()
    (tmp_path / "none").mkdir()
    for layer in (data_layer("ldb"), data_layer("none", backend=pb.DataParameter.LEVELDB)):
        with pytest.raises(DataError, match="CURRENT: No such file or directory"):
            data.describe(layer, "TRAIN", tmp_path)


def test_a_file_that_was_cut_short_is_an_error(file: Path) -> None:
    """liblmdb maps the file and reads beyond its end: the process dies of SIGBUS."""
    content = file.read_bytes()
    for pages in (0, 1, 2, 3, 10, 100, len(content) // PAGE // 2, len(content) // PAGE - 1):
        for size in (pages * PAGE, pages * PAGE + 100):
            if size < len(content) - PAGE:
                file.write_bytes(content[:size])
                with pytest.raises(DataError, match="Cannot read .*db as an LMDB: "):
                    Lmdb(file.parent).read(range(700))


def test_a_file_that_shrinks_while_it_is_read(file: Path) -> None:
    found = Lmdb(file.parent)
    file.write_bytes(file.read_bytes()[: 20 * PAGE])
    with pytest.raises(DataError, match="the file ends within the value of"):
        found.read(range(700))


@pytest.mark.parametrize("place, new, message", [
    (16, b"\0", "it does not begin like an LMDB file"),
    (20, b"\7", "it is of version 7 of LMDB's format"),
    (40, b"\1\0\0\0", "its page size is 1, which LMDB does not use"),
    (PAGE + 16, b"\0", "page 1 is no meta page"),
    (PAGE, b"\5", "page 1 is no meta page"),
    (16 + 24 + 96 + 8, b"\x77", "are of the transactions"),
    (2 * PAGE - 0, None, "which does not exist|no leaf of the tree|no branch of the tree"),
])  # fmt: skip
def test_damage_is_named(file: Path, place: int, new: bytes | None, message: str) -> None:
    content = bytearray(file.read_bytes())
    if new is None:  # every page but the two first ones has another number
        for at in range(place, len(content), PAGE):
            content[at : at + 8] = (at // PAGE + 1).to_bytes(8, "little")
    else:
        content[place : place + len(new)] = new
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Lmdb(file.parent)


def test_databases_within_the_database_and_keys_of_several_values(tmp_path: Path) -> None:
    import lmdb

    with lmdb.open(str(tmp_path / "named"), max_dbs=2, map_size=1 << 22) as database:
        database.open_db(b"inner")
    with pytest.raises(DataError, match="databases within the database"):
        Lmdb(tmp_path / "named")
