"""The same table from every kind of source, and what is wrong with a database."""

import json
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
import pytest

from netc.errors import DataError
from netc.table.reading import RawTable, ReadingOptions, number_sql, open_table, text_sql
from tests.table.reading.servers import Server, mariadb, needs_mariadb, needs_postgres, postgres

PASSWORD = "swordfish"
rng = np.random.default_rng(5)
COUNT = 300
NUMBERS = [None if rng.random() < 0.1 else round(float(x), 3) for x in rng.normal(0, 1000, COUNT)]
WHOLE = [None if rng.random() < 0.1 else int(x) for x in rng.integers(-(2**40), 2**40, COUNT)]
TEXTS = [
    None if rng.random() < 0.1 else str(rng.choice(["Köln", "a,b", 'say "x"', "two\nlines", "it's", "x\\y", "東京"])) for _ in range(COUNT)
]
DAYS = [f"20{rng.integers(10, 24)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}" for _ in range(COUNT)]
NAMES = ("id", "n", "Text", "day")
ROWS = list(zip(WHOLE, NUMBERS, TEXTS, DAYS, strict=True))


def literal(value: object) -> str:
    """A value in SQL."""
    if value is None:
        return "null"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


VALUES = ", ".join(f"({', '.join(map(literal, row))})" for row in ROWS)


@pytest.fixture(autouse=True)
def no_passwords(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGPASSWORD", "MYSQL_PWD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def postgres_server() -> Iterator[Server]:
    with postgres(PASSWORD) as server:
        server.run(f'create table t (id bigint, n float8, "Text" text, day date); insert into t values {VALUES};'
                   "grant select on t to reader; create table other (a int[], b bytea); grant select on other to reader")  # fmt: skip
        yield server


@pytest.fixture(scope="module")
def mariadb_server() -> Iterator[Server]:
    with mariadb(PASSWORD) as server:
        rows = VALUES.replace("\\", "\\\\")
        server.run("use shop; create table t (id bigint, n double, `Text` text, day date); set sql_mode='';"
                   f" insert into t values {rows}; create table other (a blob, b geometry)")  # fmt: skip
        yield server


def contents(table: RawTable) -> tuple[object, ...]:
    """The names of the columns, and the cells as numbers or texts."""
    columns = {column.name: column for column in table.columns}
    select = {name: (number_sql if name in ("id", "n") else text_sql)(columns[name]) for name in NAMES}
    chunks = list(table.chunks(select, 128))
    found = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in NAMES}
    days = [str(day)[:10] for day in found["day"]]
    return table.rows, tuple(columns), found["id"].tobytes(), found["n"].tobytes(), found["Text"].tolist(), days


def write(folder: Path) -> dict[str, str]:
    """Write the table to files of several kinds. Returns the sources."""
    connection = duckdb.connect()
    connection.execute('create table t (id bigint, n double, "Text" varchar, day date)')
    connection.executemany("insert into t values (?, ?, ?, ?)", ROWS)
    for name, options in {"t.csv": "", "t.csv.gz": "", "t.tsv": "(delimiter '\t')", "t.parquet": ""}.items():
        connection.execute(f"copy t to '{folder / name}' {options}")
    objects = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    (folder / "t.jsonl").write_text("".join(json.dumps(item) + "\n" for item in objects))
    (folder / "t.json").write_text(json.dumps(objects))
    with closing(sqlite3.connect(folder / "t.db")) as database:
        database.execute('create table t (id integer, n real, "Text" text, day text)')
        database.executemany("insert into t values (?, ?, ?, ?)", ROWS)
        database.commit()
    return {name: name for name in ("t.csv.gz", "t.tsv", "t.parquet", "t.jsonl", "t.json", "t.db")} | {"sqlite": "sqlite:///t.db?table=t"}


def test_files_give_the_same_cells(tmp_path: Path) -> None:
    sources = write(tmp_path)
    with open_table("t.csv", tmp_path) as table:
        expected = contents(table)
    assert expected[0] == COUNT
    for source in sources.values():
        with open_table(source, tmp_path) as table:
            assert contents(table) == expected, source


@needs_postgres
def test_postgres_gives_the_same_cells(postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    same_as_csv(f"postgresql://reader@127.0.0.1:{postgres_server.port}/shop?table=t", tmp_path)


@needs_mariadb
def test_mariadb_gives_the_same_cells(mariadb_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    same_as_csv(f"mysql://reader@127.0.0.1:{mariadb_server.port}/shop?table=t", tmp_path)


def same_as_csv(source: str, folder: Path) -> None:
    """Compare a source with a CSV file."""
    write(folder)
    with open_table("t.csv", folder) as first, open_table(source, folder) as second:
        assert contents(first) == contents(second)
    ordered = ReadingOptions(query="select id, n from t where n > 100 order by n;")
    with open_table(source.partition("?")[0], folder, ordered) as table:
        found = [n for _, n in table.query(f"select rowid, {number_sql(table.columns[1])} from cells order by rowid")]
        assert found == sorted(n for n in NUMBERS if n is not None and n > 100)


REFUSED = {
    "a query that fails": ("select * from none", "The query failed: .*none"),
    "no rows": ("select * from t where n > 1e9", "There are no rows"),
    "a name twice": ("select id, id from t", "columns 1 and 2 have the same name 'id'"),
    "arrays and bytes": ("select * from other", "Column 'a' has (arrays|binary cells).*Column 'b' has"),
    "a statement that writes": ("delete from t", "The query failed"),
    "no query": ("", "No query. The tables are 'other', 't'"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("kind", [pytest.param("postgres", marks=needs_postgres), pytest.param("mariadb", marks=needs_mariadb)])
def test_queries_that_are_refused(kind: str, name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    server: Server = request.getfixturevalue(f"{kind}_server")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("MYSQL_PWD", PASSWORD)
    query, message = REFUSED[name]
    with pytest.raises(DataError, match=f"(?s){message}"):
        open_table(f"{kind.replace('postgres', 'postgresql')}://reader@127.0.0.1:{server.port}/shop", options=ReadingOptions(query=query))


@pytest.mark.parametrize("kind", [pytest.param("postgres", marks=needs_postgres), pytest.param("mariadb", marks=needs_mariadb)])
@pytest.mark.parametrize("password", ["", "wr0ng-w0rd"])
def test_a_wrong_password_is_not_shown(kind: str, password: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    server: Server = request.getfixturevalue(f"{kind}_server")
    if password:
        monkeypatch.setenv("PGPASSWORD", password)
        monkeypatch.setenv("MYSQL_PWD", password)
    with pytest.raises(DataError, match="Cannot connect: .* The password is not in the address: set ") as caught:
        open_table(f"{kind}://reader@127.0.0.1:{server.port}/shop", options=ReadingOptions(query="select 1"))
    assert "wr0ng-w0rd" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [
    f"postgresql://me:{PASSWORD}@localhost/db", f"mysql://me:{PASSWORD}@localhost/db", f"postgresql://localhost/db?password={PASSWORD}",
    f"https://me:{PASSWORD}@localhost/t.csv",
])  # fmt: skip
def test_a_password_in_an_address_is_refused(source: str) -> None:
    with pytest.raises(DataError, match=r"The address contains a password, which would be stored with the net\. Remove it") as caught:
        open_table(source)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_does_not_answer(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.table.reading.postgres.PATIENCE", 2)
    monkeypatch.setattr("netc.table.reading.mysql.PATIENCE", 1)
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        with pytest.raises(DataError, match="Cannot connect: "):
            open_table(f"{scheme}://me@127.0.0.1:{silent.getsockname()[1]}/db", options=ReadingOptions(query="select 1"))
        port = silent.getsockname()[1]
    with pytest.raises(DataError, match="Cannot connect: .*refused"):
        open_table(f"{scheme}://me@127.0.0.1:{port}/db", options=ReadingOptions(query="select 1"))


@pytest.mark.parametrize(("module", "source", "extra"), [
    ("psycopg", "postgresql://localhost/db", "postgres"), ("pymysql", "mysql://localhost/db", "mysql"),
    ("python_calamine", "t.xlsx", "excel"),
])  # fmt: skip
def test_a_driver_that_is_missing(module: str, source: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04" + b" " * 26 + b"[Content_Types].xml")
    with pytest.raises(DataError, match=rf"pip install 'netc\[{extra}\]'"):
        open_table(source, tmp_path)


SQLITE = {
    "a query that fails": ("select * from none", "The query failed: no such table: none"),
    "two statements": ("select 1; drop table t", "The query failed"),
    "bytes": ("select x'00' as a, id from t", "Column 'a' has binary cells"),
    "no rows": ("select * from t where id is null and id is not null", "There are no rows"),
    "a statement that writes": ("delete from t", "The query failed"),
}


@pytest.mark.parametrize("name", SQLITE)
def test_sqlite_refuses(name: str, tmp_path: Path) -> None:
    write(tmp_path)
    query, message = SQLITE[name]
    with pytest.raises(DataError, match=rf"^sqlite:///t\.db: {message}"):
        open_table("sqlite:///t.db", tmp_path, ReadingOptions(query=query))
    with pytest.raises(DataError, match="There is no file"):
        open_table("sqlite:///u.db", tmp_path)
    with pytest.raises(DataError, match=r"There is no table 'tt'\. Did you mean 't'\?"):
        open_table("sqlite:///t.db?table=tt", tmp_path)


def test_a_column_of_sqlite_may_have_numbers_and_texts(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "t.db")) as database:
        database.execute("create table t (a, b, c)")
        database.executemany("insert into t values (?, ?, ?)", [(1, 1, 1), (2.5, 2, "x"), (None, None, None)])
        database.commit()
    with open_table("t.db", tmp_path) as table:
        assert [column.kind for column in table.columns] == ["number", "integer", "text"]
        (chunk,) = table.chunks({"c": text_sql(table.columns[2])})
        assert chunk["c"].tolist() == ["1", "x", ""]
