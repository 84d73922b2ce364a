"""Tables from files."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from netc.errors import DataError
from netc.table.reading import RawColumn, ReadingOptions, number_sql, open_table, quoted

TEXT = 'age;Town;town\n 1,5; Berlin ;NA\n2;;Köln\n-;"a;\nb";?\n'


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_cells_of_a_text_file(name: str, tmp_path: Path) -> None:
    data = TEXT.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with open_table(name, tmp_path) as table:
        age, *_ = table.columns
        assert (table.rows, table.columns) == (3, (RawColumn("age", "text"), RawColumn("Town", "text"), RawColumn("town", "text")))
        assert (table.dialect.delimiter, table.dialect.decimal, table.dialect.header) == (";", ",", True)
        select = {"age": number_sql(age, table.dialect), "a": quoted("Town"), "b": quoted("town")}
        (chunk,) = table.chunks(select)
        assert chunk["a"].tolist() == ["Berlin", "", "a;\nb"] and chunk["b"].tolist() == ["", "Köln", ""]
        np.testing.assert_array_equal(chunk["age"], [1.5, 2, np.nan])
        assert table.query(f"select count({quoted('town')}) from cells") == [(1,)]


def test_temporary_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    table = open_table("t.csv", tmp_path)
    folder = table.store.folder
    assert folder.is_dir()
    table.close()
    assert not folder.exists()


def test_a_header_alone_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="no rows"):
        open_table("t.csv", tmp_path, ReadingOptions())
