"""Rows of tables for a model of raw columns: by name, from any source, and what is refused."""

import gzip
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pytest

from netc import Model
from netc.errors import DataError
from netc.predict.raw import rows
from tests.small_nets import netc
from tests.small_tables import people, write_table

NEW = people(100, seed=1)
READ = {name: cells for name, cells in NEW.items() if name != "kind"}


def scores(model: Path, *sources: Path | str) -> np.ndarray:
    return np.array([p.outputs["prob"] for p in Model(model).predict([str(s) for s in sources])])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "new.csv", NEW)


def test_order_and_further_columns_do_not_matter(model: Path, table: Path, tmp_path: Path) -> None:
    expected = scores(model, table)
    turned = {"note": ["x"] * 100, **dict(reversed(READ.items())), "kind2": NEW["kind"]}
    np.testing.assert_array_equal(scores(model, write_table(tmp_path / "turned.csv", turned)), expected)
    assert expected.shape == (100, 2) and expected.std() > 0.1


def test_any_source_gives_the_same_scores(model: Path, table: Path, tmp_path: Path) -> None:
    expected = scores(model, table)
    (tmp_path / "new.csv.gz").write_bytes(gzip.compress(table.read_bytes()))
    write_table(tmp_path / "new.tsv", READ, "\t")
    duckdb.sql(f"copy (select * from read_csv('{table}')) to '{tmp_path / 'new.parquet'}'")
    duckdb.sql(f"copy (select * from read_csv('{table}')) to '{tmp_path / 'new.jsonl'}' (format json)")
    for name in ("new.csv.gz", "new.tsv", "new.parquet", "new.jsonl"):
        np.testing.assert_array_equal(scores(model, tmp_path / name), expected, name)


def test_a_database_by_its_address_and_a_query(model: Path, table: Path, tmp_path: Path) -> None:
    """A SQLite file: the rows of a query, whose columns are found by name."""
    with closing(sqlite3.connect(tmp_path / "new.db")) as base:
        base.execute("create table new (kind, wage real, age real, town, Sex, number)")
        rows = [(k, float(w), float(a) if a else None, t or None, s) for a, t, w, s, k in zip(*NEW.values(), strict=True)]
        base.executemany("insert into new values (?, ?, ?, ?, ?, ?)", [(*row, k) for k, row in enumerate(rows)])
        base.commit()
    address = f"sqlite:///{tmp_path / 'new.db'}"
    query = "select * from new where number < 40 order by number"
    result = netc("predict", model, address, "--query", query, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0, result.stderr
    found = [line.split(",")[-2:] for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    np.testing.assert_array_equal(np.array(found, np.float32), scores(model, table)[:40])


def test_a_row_has_the_same_scores_in_every_table(model: Path, table: Path, tmp_path: Path) -> None:
    """To the last bit: alone, in a table of 17, of 100 or of 5,000 rows, at any place."""
    expected = scores(model, table)
    for start, stop in ((0, 1), (3, 20), (99, 100), (41, 58)):
        part = write_table(tmp_path / "part.csv", {n: c[start:stop] for n, c in READ.items()})
        np.testing.assert_array_equal(scores(model, part), expected[start:stop])
    long = write_table(tmp_path / "long.csv", {n: c[7:] + c * 50 for n, c in READ.items()})
    np.testing.assert_array_equal(scores(model, long), np.concatenate([expected[7:], *[expected] * 50]))


def test_texts_of_missing_cells_are_those_of_training(model: Path, table: Path, tmp_path: Path) -> None:
    dashes = {n: [c or "-" for c in cells] for n, cells in NEW.items()}
    np.testing.assert_array_equal(scores(model, write_table(tmp_path / "dashes.csv", dashes)), scores(model, table))


def test_small_pieces_give_the_same(model: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scores(model, table)
    monkeypatch.setattr(rows, "MOST_CELLS", 64)
    np.testing.assert_array_equal(scores(model, table), expected)


def test_standard_input(model: Path, table: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "netc", "predict", str(model), "-", "-o", str(tmp_path / "out.jsonl")]
    done = subprocess.run(command, input=table.read_bytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert found[2]["input"] == "standard input[2]" and len(found) == 100
    np.testing.assert_array_equal(np.array([[f["prob.no"], f["prob.yes"]] for f in found], np.float32), scores(model, table))


def test_all_that_is_wrong_is_said_at_once(model: Path, tmp_path: Path) -> None:
    """Missing columns with near names, and one line for a column with cells that are no numbers. Nothing is written."""
    wrong = {"Age": ["9"] * 100, "town": NEW["town"], "wage": [*["x1", "12"] * 40, *["5"] * 18, "y" * 99, "x1"], "sex": NEW["Sex"]}
    path = write_table(tmp_path / "wrong.csv", wrong)
    for output in ((), ("-o", tmp_path / "out.csv"), ("-o", tmp_path / "out.npz")):
        result = netc("predict", model, path, *output)
        assert result.exit_code == 2 and result.stdout == "" and result.stderr.startswith("netc: 3 errors\n"), result.stderr
        assert "There is no column 'age', which the model reads. Did you mean 'Age'?" in result.stderr
        assert "There is no column 'Sex', which the model reads. Did you mean 'sex'?" in result.stderr
        assert "wrong.csv:2:4: Column 'wage': 42 of 100 cells cannot be read, in lines 2, 4, 6 and 39 more: 'x1'" in result.stderr
        assert "Expected a number" in result.stderr and result.stderr.count("wage") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["wrong.csv"]


def test_a_table_without_a_header(model: Path, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("30,2000,10\n40,3000,20\n")
    with pytest.raises(DataError, match=r"bare\.csv: The first row is no header.*(age|town), .*Sex"):
        scores(model, tmp_path / "bare.csv")


def test_a_file_that_is_not_there_does_not_stop_the_others(model: Path, table: Path) -> None:
    result = netc("predict", model, "none.csv", table)
    assert result.exit_code == 2 and "Cannot read none.csv" in result.stderr and len(result.stdout.splitlines()) == 100
