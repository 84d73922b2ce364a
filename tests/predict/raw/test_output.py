"""Files of predictions for tables."""

import csv
import io
import json
from pathlib import Path

import duckdb
import numpy as np
import pytest

from netc import Model
from tests.small_nets import netc
from tests.small_tables import people, write_table

NEW = people(50, seed=3)
HEAD = ["class", "score", "prob.no", "prob.yes"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "new.csv", NEW)


def records(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8")), delimiter="\t" if path.suffix == ".tsv" else ","))


def parquet(path: Path) -> tuple[list[str], list[str], list[tuple[object, ...]]]:
    """The names of the columns, their types, and the rows."""
    found = duckdb.connect().execute(f"select * from '{path}'")
    described = found.description or []
    return [c[0] for c in described], [str(c[1]) for c in described], found.fetchall()


def test_all_formats_hold_the_same(model: Path, table: Path, tmp_path: Path) -> None:
    for suffix in (".csv", ".tsv", ".json", ".jsonl", ".parquet"):
        result = netc("predict", model, table, "-o", tmp_path / f"o{suffix}")
        assert (result.exit_code, result.output) == (0, "")
    first = records(tmp_path / "o.csv")
    assert list(first[0]) == ["input", *HEAD] and first[49]["input"] == f"{table}[49]" and first == records(tmp_path / "o.tsv")
    expected = Model(model).predict(str(table))
    assert [r["class"] for r in first] == [p.best[0][0] for p in expected]
    numbers = np.array([[r[n] for n in HEAD[2:]] for r in first], np.float32)
    np.testing.assert_array_equal(numbers, [p.outputs["prob"] for p in expected])
    objects = json.loads((tmp_path / "o.json").read_text())
    assert objects == [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    names, types, rows = parquet(tmp_path / "o.parquet")
    assert names == ["input", *HEAD] and types == ["VARCHAR", "VARCHAR", "FLOAT", "FLOAT", "FLOAT"]
    singles = [{**o, **{n: float(np.float32(o[n])) for n in HEAD[1:]}} for o in objects]
    assert [dict(zip(names, row, strict=True)) for row in rows] == singles


def test_the_threshold_decides_and_says_on_what(model: Path, table: Path, tmp_path: Path) -> None:
    result = netc("predict", model, table, "--threshold", ".2", "-o", tmp_path / "o.csv")
    assert result.exit_code == 0 and "The class is 'yes' if its score is at least 0.2, else 'no'." in result.stderr
    rows = records(tmp_path / "o.csv")
    assert [r["class"] for r in rows] == ["yes" if np.float32(r["prob.yes"]) >= 0.2 else "no" for r in rows]
    assert all(r["score"] == r[f"prob.{r['class']}"] for r in rows) and any(r["class"] == "yes" and float(r["score"]) < 0.5 for r in rows)
    printed = netc("predict", model, table, "--threshold", ".2").stdout.splitlines()
    assert [line.split(": ")[1].split()[0] for line in printed] == [r["class"] for r in rows]


def test_a_threshold_of_the_model_by_name(model: Path, table: Path) -> None:
    opened = Model(model)
    stated = opened.metadata["thresholds"]["f1"]
    result = netc("predict", model, table, "--threshold", "f1")
    assert result.exit_code == 0 and f"if its score is at least {stated:g}" in result.stderr
    expected = [p.best[0][0] for p in opened.predict(str(table), threshold=stated)]
    assert [line.split(": ")[1].split()[0] for line in result.stdout.splitlines()] == expected


@pytest.mark.parametrize(
    "given, said",
    [("1.5", "Expected a number from 0 to 1"), ("f3", "'f3' is neither a number nor known. Did you mean 'f1'?"), ("nan", "Expected")],
)
def test_other_thresholds_are_refused(model: Path, table: Path, given: str, said: str) -> None:
    result = netc("predict", model, table, "--threshold", given)
    assert result.exit_code == 2 and said in result.stderr and result.stdout == ""


def test_columns_of_the_table_stand_beside(model: Path, tmp_path: Path) -> None:
    odd = {**NEW, "class": [f'a "{k}", b' for k in range(50)], "Class": ["\N{SNOWMAN}"] * 50}
    path = write_table(tmp_path / "odd.csv", {**odd, "class": ['"' + c.replace('"', '""') + '"' for c in odd["class"]]})
    assert netc("predict", model, path, "--with-columns", "-o", tmp_path / "o.csv").exit_code == 0
    rows = records(tmp_path / "o.csv")
    assert list(rows[0]) == [*odd, "predicted.class", "score", "prob.no", "prob.yes"]
    assert {name: [r[name] for r in rows] for name in odd} == odd
    refused = netc("predict", model, path, "--with-columns", "-o", tmp_path / "o.jsonl")
    assert refused.exit_code == 2 and "'Class', 'class' differ in capitals only" in refused.stderr
    assert netc("predict", model, path, "--with", "wage", "--with", "class", "-o", tmp_path / "o.jsonl").exit_code == 0
    first = json.loads((tmp_path / "o.jsonl").read_text("utf-8").splitlines()[0])
    assert list(first) == ["wage", "class", "predicted.class", "score", "prob.no", "prob.yes"]
    unknown = netc("predict", model, path, "--with", "wages", "-o", tmp_path / "none.csv")
    assert unknown.exit_code == 2 and "There is no column 'wages' to write. Did you mean 'wage'?" in unknown.stderr
    printed = netc("predict", model, path, "--with", "wage")
    assert printed.exit_code == 2 and "--with writes columns of a table" in printed.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.csv", "o.jsonl", "odd.csv"]


def test_several_tables_one_file(model: Path, table: Path, tmp_path: Path) -> None:
    other = write_table(tmp_path / "other.tsv", {n: c[:9] for n, c in reversed(NEW.items())}, "\t")
    for suffix in (".csv", ".parquet", ".json"):
        assert netc("predict", model, table, other, "--with", "age", "-o", tmp_path / f"o{suffix}").exit_code == 0
    rows = records(tmp_path / "o.csv")
    assert len(rows) == 59 and rows[50:] == rows[:9] and len(json.loads((tmp_path / "o.json").read_text())) == 59
    assert len(parquet(tmp_path / "o.parquet")[2]) == 59
    differ = netc("predict", model, table, other, "--with-columns", "-o", tmp_path / "none.csv")
    assert differ.exit_code == 2 and "have different columns" in differ.stderr and not (tmp_path / "none.csv").exists()


def test_a_file_that_cannot_be_written(model: Path, table: Path, tmp_path: Path) -> None:
    result = netc("predict", model, table, "-o", tmp_path / "none" / "o.csv")
    assert result.exit_code == 1 and "Cannot write" in result.stderr and "Traceback" not in result.stderr
    (tmp_path / "o.csv").write_text("old")
    wrong = write_table(tmp_path / "wrong.csv", {**NEW, "age": ["x"] * 50})
    assert netc("predict", model, wrong, "-o", tmp_path / "o.csv").exit_code == 2 and (tmp_path / "o.csv").read_text() == "old"
