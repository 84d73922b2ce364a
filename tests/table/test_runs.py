"""Runs on tables: the same table gives the same run however it is stored, and weights read rows as they know them."""

import gzip
import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.runtime import snapshot
from netc.spec import load
from netc.spec.private_paths import plain_path, without_password
from netc.training.folder import BEST
from tests.small_nets import netc
from tests.table.reading.servers import needs_postgres, postgres

NET = """\
name: small
layers:
  - Table: {source: small.csv, label: outcome, split: {test: 0.2, validation: 0.2}, batch_size: 16}
  - Encode
  - InnerProduct: {num_output: 8, weight_filler: xavier}
  - ReLU
  - InnerProduct: {num_output: 2, weight_filler: xavier}
  - SoftmaxWithLoss
  - Accuracy
solver: {type: AdamW, base_lr: 0.01, max_iter: 40, test_interval: 20, snapshot: 20, display: 10}
licence: Apache-2.0
dataset_licence: unknown
"""
LAST = "InnerProduct: {num_output: 2"
Rows = list[tuple[float | None, str | None, str, str]]
HEADER = ("x", "kind", "day", "outcome")


def rows(count: int = 200, values: Sequence[str] = ("no", "yes")) -> Rows:
    random, made = np.random.default_rng(0), Rows()
    for k in range(count):
        label = int(random.integers(0, len(values)))
        x = None if k % 9 == 4 else round(float(random.normal(label)), 3)
        kind = None if k % 11 == 2 else "abc"[int(random.integers(0, 3))]
        made.append((x, kind, f"2024-{1 + k % 12:02d}-{1 + k % 28:02d}", values[label]))
    return made


def csv_text(table: Rows) -> str:
    return "\n".join([",".join(HEADER), *(",".join("" if cell is None else str(cell) for cell in row) for row in table)]) + "\n"


def write_csv(path: Path, table: Rows) -> None:
    path.write_text(csv_text(table))


def write_gz(path: Path, table: Rows) -> None:
    path.write_bytes(gzip.compress(csv_text(table).encode()))


def write_lines(path: Path, table: Rows) -> None:
    path.write_text("".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in table))


def write_parquet(path: Path, table: Rows) -> None:
    import duckdb

    connection = duckdb.connect()
    connection.execute("create table t (x DOUBLE, kind VARCHAR, day DATE, outcome VARCHAR)")
    connection.executemany("insert into t values (?, ?, ?, ?)", table)
    connection.execute(f"copy t to '{path}' (format parquet)")
    connection.close()


def write_sqlite(path: Path, table: Rows) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table t (x REAL, kind TEXT, day TEXT, outcome TEXT)")
        connection.executemany("insert into t values (?, ?, ?, ?)", table)


STORED: dict[str, Callable[[Path, Rows], None]] = {
    "small.csv": write_csv,
    "small.csv.gz": write_gz,
    "small.jsonl": write_lines,
    "small.parquet": write_parquet,
}


def train(folder: Path, *arguments: Any, net: str = NET, runs: str = "runs") -> Path:
    (folder / "small.yaml").write_text(net)
    result = netc("train", folder / "small.yaml", "--no-publish", "--runs", folder / runs, *arguments)
    assert result.exit_code == 0, result.output
    return max((folder / runs / "small").iterdir(), key=lambda path: int(path.name))


def states(run: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in snapshot.read(str(run / "snapshots" / BEST)).states.items()}


def scores(text: str) -> list[float]:
    """The accuracy and the loss in a line such as `after 40 iterations: accuracy 0.7500, loss 0.5123`."""
    return [float(number) for name in ("accuracy", "loss") for number in re.findall(rf"{name}:? (\d+\.\d+)", text)[-1:]]


@pytest.mark.parametrize("name", STORED)
def test_the_same_table_gives_the_same_run(tmp_path: Path, name: str) -> None:
    net = NET.replace("label:", "columns: {x: number, kind: category, day: date}, label:")
    for stored in ("small.csv", name):
        STORED[stored](tmp_path / stored, rows())
    one, other = train(tmp_path, net=net), train(tmp_path, net=net.replace("small.csv", name), runs="other")
    assert states(one) == states(other) and (one / "log.jsonl").read_text() == (other / "log.jsonl").read_text()


def test_the_address_of_a_database_gives_the_same_run(tmp_path: Path) -> None:
    net = NET.replace("label:", "columns: {x: number, kind: category, day: date}, label:")
    write_csv(tmp_path / "small.csv", rows())
    write_sqlite(tmp_path / "small.db", rows()[::-1])
    stored = net.replace("small.csv", "'sqlite:///small.db', query: 'select * from t order by rowid desc'")
    one, other = train(tmp_path, net=net), train(tmp_path, net=stored, runs="other")
    assert states(one) == states(other)
    assert load(other / "net.yaml").message.layer[0].table_param.source == "sqlite:///../../../small.db"
    assert "sqlite:///small.db" in (other / "inputs.json").read_text()
    (tmp_path / "small.db").unlink()
    write_sqlite(tmp_path / "small.db", [*rows()[:0:-1], (7.0, "a", "2024-01-01", "no")])
    more = ("--no-publish", "--runs", tmp_path / "other", "--resume", "--set", "solver.max_iter=60")
    result = netc("train", tmp_path / "small.yaml", *more)
    assert result.exit_code == 2 and "sqlite:///small.db has changed" in result.output, result.output


def _said(cell: object) -> str:
    return "null" if cell is None else f"'{cell}'" if isinstance(cell, str) else repr(cell)


@needs_postgres
def test_a_database_server_gives_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    net = NET.replace("label:", "columns: {x: number, kind: category, day: date}, label:")
    write_csv(tmp_path / "small.csv", rows())
    one = train(tmp_path, net=net)
    monkeypatch.setenv("PGPASSWORD", "a very secret word")
    with postgres("a very secret word") as server:
        values = ", ".join(f"({k}, {', '.join(map(_said, row))})" for k, row in enumerate(rows()))
        server.run("create table t (k int, x double precision, kind text, day date, outcome text); grant select on t to reader;"
                   f"insert into t values {values}")  # fmt: skip
        source = f"'postgresql://reader@127.0.0.1:{server.port}/shop', query: 'select x, kind, day, outcome from t order by k'"
        other = train(tmp_path, net=net.replace("small.csv", source), runs="other")
        assert states(one) == states(other) and (one / "log.jsonl").read_text() == (other / "log.jsonl").read_text()
        server.run("update t set x = 7 where k = 3")
        more = ("--no-publish", "--runs", tmp_path / "other", "--resume", "--set", "solver.max_iter=60")
        result = netc("train", tmp_path / "small.yaml", *more)
        assert result.exit_code == 2 and "/shop has changed" in result.output, result.output
    files = [path for path in (tmp_path / "other").rglob("*") if path.is_file()]
    assert files and not [path.name for path in files if b"a very secret word" in path.read_bytes()]


def test_a_run_states_the_columns_that_it_reads(tmp_path: Path) -> None:
    write_csv(tmp_path / "small.csv", rows())
    run = train(tmp_path)
    param = load(run / "net.yaml").message.layer[0].table_param
    assert [(rule.name, rule.type) for rule in param.columns] == [("x", "number"), ("kind", "category"), ("day", "date")]
    again = netc("train", run / "net.yaml", "--no-publish", "--runs", tmp_path / "again")
    assert again.exit_code == 0, again.output
    assert states(run) == states(tmp_path / "again" / "small" / "1")


def test_training_resumes_bit_for_bit(tmp_path: Path) -> None:
    write_csv(tmp_path / "small.csv", rows())
    (tmp_path / "small.yaml").write_text(NET)
    result = netc("verify-resume", tmp_path / "small.yaml", "--iterations", 12)
    assert result.exit_code == 0 and result.output.count("equal bit for bit") == 2, result.output


def test_tests_of_weights_give_the_scores_of_the_run(tmp_path: Path) -> None:
    write_csv(tmp_path / "small.csv", rows())
    (tmp_path / "small.yaml").write_text(NET)
    trained = netc("train", tmp_path / "small.yaml", "--no-publish", "--runs", tmp_path / "runs").output
    tested = netc("test", tmp_path / "small.yaml", "--weights", tmp_path / "runs/small/1/snapshots" / BEST)
    assert tested.exit_code == 0 and scores(tested.output) == pytest.approx(scores(trained), abs=1e-4)


@pytest.mark.parametrize("source", ["small.csv", "sm*.csv"])
def test_a_table_that_has_changed_is_noticed(tmp_path: Path, source: str) -> None:
    write_csv(tmp_path / "small.csv", rows())
    run = train(tmp_path, net=NET.replace("small.csv", f"'{source}'"))
    assert load(run / "net.yaml").message.layer[0].table_param.source == f"../../../{source}"
    more = ("train", tmp_path / "small.yaml", "--no-publish", "--runs", tmp_path / "runs", "--resume", "--set", "solver.max_iter=60")
    write_csv(tmp_path / "small.csv", [*rows()[:-1], (9.0, "a", "2024-01-01", "no")])
    result = netc(*more)
    assert result.exit_code == 2 and f"{source} has changed" in result.output
    write_csv(tmp_path / "small.csv", rows())
    result = netc(*more)
    assert result.exit_code == 0 and "after 60 iterations" in result.output, result.output


def test_weights_start_a_run_on_another_table(tmp_path: Path) -> None:
    """The first layers keep their weights, and the last one is new if the classes are others."""
    write_csv(tmp_path / "small.csv", rows())
    weights = train(tmp_path) / "snapshots" / BEST
    write_csv(tmp_path / "small.csv", rows(120, ("x", "y", "z")))
    run = train(tmp_path, "--weights", weights, net=NET.replace(LAST, LAST.replace("2", "3").replace("{", "{name: three, ")), runs="other")
    known = snapshot.read_rows(str(run / "snapshots" / BEST))["data"]
    assert known["classes"] == ["x", "y", "z"]
    assert known["fitted"] == snapshot.read_rows(str(weights))["data"]["fitted"]


def test_a_snapshot_with_many_values_stays_small(tmp_path: Path) -> None:
    table: Rows = [(x, f"value {k % 2500:05d}", day, label) for k, (x, _, day, label) in enumerate(rows(9_000))]
    write_csv(tmp_path / "small.csv", table)
    net = NET.replace("test: 0.2, validation: 0.2", "validation: 0.1").replace(
        "label:", "columns: {kind: {type: category, min_count: 2}}, label:"
    )
    run = train(tmp_path, net=net.replace("- Encode", "- Encode: {width: 1}"))
    (known,) = snapshot.read_rows(str(run / "snapshots" / BEST))["data"]["fitted"]
    assert 2400 < len(known["values"]) <= 2500 and (run / "snapshots" / BEST).stat().st_size < 200_000


def test_published_files_contain_no_private_path(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    write_csv(tmp_path / "private" / "small.csv", rows())
    (tmp_path / "small.yaml").write_text(NET.replace("small.csv", str(tmp_path / "private" / "small.csv")))
    result = netc("train", tmp_path / "small.yaml", "--publish", "--zoo", tmp_path / "zoo", "--runs", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    files = [path for path in (tmp_path / "zoo").rglob("*") if path.is_file()]
    assert files and not [path.name for path in files if b"private" in path.read_bytes()]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgresql://me:se@cret@host/db", "postgresql://me@host/db"),
        ("mysql://me@host/db?password=secret&charset=utf8", "mysql://me@host/db?charset=utf8"),
        ("https://me:secret@host/t.csv", "https://me@host/t.csv"),
        ("sqlite:////home/me/private.db", "sqlite:///private.db"),
        ("sqlite:///data/own.db", "sqlite:///data/own.db"),
        ("/home/me/*.csv", "*.csv"),
        ("data/own.csv", "data/own.csv"),
    ],
)
def test_addresses_lose_passwords_and_folders(text: str, wanted: str) -> None:
    assert plain_path(text) == wanted and "secret" not in without_password(text)
