"""Files with types, several files, and files at addresses."""

import datetime
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import duckdb
import nanoarrow
import nanoarrow.ipc
import numpy as np
import openpyxl
import pytest

from netc.errors import DataError
from netc.table.reading import RawTable, ReadingOptions, number_sql, open_table, quoted, text_sql


def rows(table: RawTable) -> list[tuple[object, ...]]:
    """The cells of a table as they are shown."""
    return table.query(f"select {', '.join(quoted(column.name) for column in table.columns)} from cells order by rowid")


def kinds(table: RawTable) -> dict[str, str]:
    return {column.name: column.kind for column in table.columns}


TYPED = """select * from (values
    (1::integer, 1.5::double, true, 'x'::varchar, date '2020-01-02', 2.25::decimal(9, 2), timestamp '2020-01-02 03:04:05'),
    (null, 'nan', null, ' NA ', null, null, null)) as t(whole, number, flag, text, day, price, moment)"""


def check_typed(table: RawTable) -> None:
    assert kinds(table) == {"whole": "integer", "number": "number", "flag": "boolean", "text": "text", "day": "date", "price": "number",
                            "moment": "date"}  # fmt: skip
    day, moment = datetime.datetime(2020, 1, 2), datetime.datetime(2020, 1, 2, 3, 4, 5)
    assert rows(table) == [(1, 1.5, True, "x", day, 2.25, moment), (None,) * 7]
    columns = {column.name: column for column in table.columns}
    (chunk,) = table.chunks({name: number_sql(columns[name]) for name in columns if name != "text"} | {"t": text_sql(columns["flag"])})
    assert chunk["moment"][0] == np.datetime64("2020-01-02T03:04:05").astype(int) and chunk["t"].tolist() == ["true", ""]
    assert np.isnan(chunk["number"][1])


def test_parquet(tmp_path: Path) -> None:
    duckdb.connect().execute(f"copy ({TYPED}) to '{tmp_path / 't.parquet'}'")
    with open_table("t.parquet", tmp_path) as table:
        check_typed(table)
        assert str(table.place(1, "flag")) == "t.parquet, row 2"


@pytest.mark.parametrize("name", ["t.arrow", "t.arrows"])
def test_arrow(name: str, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        if name == "t.arrow":
            file.write(b"ARROW1\0\0")
        with nanoarrow.ipc.StreamWriter.from_writable(file) as writer:
            writer.write_stream(nanoarrow.c_array_stream(duckdb.connect().sql(TYPED)))
        file.write(b"\xff\xff\xff\xff\0\0\0\0")
    with open_table(name, tmp_path) as table:
        check_typed(table)


def test_cells_that_are_no_single_values(tmp_path: Path) -> None:
    duckdb.connect().execute(f"copy (select [1, 2] as a, 'x'::blob as b, {{'c': 1}} as d, 1 as e) to '{tmp_path / 't.parquet'}'")
    with pytest.raises(DataError) as caught:
        open_table("t.parquet", tmp_path)
    assert [str(d).partition(" cells")[0] for d in caught.value.diagnostics] == [f"t.parquet: Column '{name}' has" for name in "abd"]


def test_damaged_files(tmp_path: Path) -> None:
    for name, data in {"t.parquet": b"PAR1" + b"\0" * 90, "t.arrow": b"ARROW1\0\0" + b"\1" * 90, "t.jsonl": b'{"a": 1}\n{"a": \n'}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=rf"^{name}: ") as caught:
            open_table(name, tmp_path)
        assert "\n" not in str(caught.value)


def test_json(tmp_path: Path) -> None:
    text = (
        '{"a": 1, "b": "x"}\n\n{"b": "2020-01-02", "c": 1.5, "d": true}\n{"a": 9007199254740993, "b": null, "c": 2, "e": 7}\n{"e": "z"}\n'
    )
    (tmp_path / "t.jsonl").write_text(text)
    (tmp_path / "t.json").write_text("[" + ",".join(filter(None, text.split("\n"))) + "]")
    for name in ("t.jsonl", "t.json"):
        with open_table(name, tmp_path) as table:
            assert kinds(table) == {"a": "integer", "b": "text", "c": "number", "d": "boolean", "e": "text"}
            assert rows(table) == [
                (1, "x", None, None, None),
                (None, "2020-01-02", 1.5, True, None),
                (9007199254740993, None, 2.0, None, "7"),
                (None, None, None, None, "z"),
            ]
    with open_table("t.jsonl", tmp_path) as table:
        assert str(table.place(1, "c")) == "t.jsonl:3:21"
    (tmp_path / "n.jsonl").write_text('{"a": [1], "b": {"c": 1}}\n')
    with pytest.raises(DataError, match="(?s)Column 'a' has arrays as cells.*Column 'b' has objects as cells"):
        open_table("n.jsonl", tmp_path)


def excel(path: Path, **sheets: list[list[object]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        for row in cells:
            sheet.append(row)
    book.save(path)


def test_excel(tmp_path: Path) -> None:
    day = datetime.datetime(2020, 1, 2)
    cells: list[list[object]] = [["a", "b", "c", "d", "e"], [1, 1.5, "x", day, True], [2, None, 7, None, False], [None] * 5]
    excel(tmp_path / "t.xlsx", data=cells, empty=[])
    excel(tmp_path / "u.xlsx", data=cells, notes=[["by me"]])
    for source, options in (("t.xlsx", ReadingOptions()), ("u.xlsx", ReadingOptions(sheet="data"))):
        with open_table(source, tmp_path, options) as table:
            assert kinds(table) == {"a": "integer", "b": "number", "c": "text", "d": "date", "e": "boolean"}
            assert rows(table) == [(1, 1.5, "x", day, True), (2, None, "7", None, False)]
    with pytest.raises(DataError, match=r"several sheets: 'data', 'notes'\. Set `sheet`"):
        open_table("u.xlsx", tmp_path)
    with pytest.raises(DataError, match=r"There is no sheet 'dta'\. Did you mean 'data'"):
        open_table("u.xlsx", tmp_path, ReadingOptions(sheet="dta"))
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.xlsx").read_bytes())
    with pytest.raises(DataError, match=r"It is an Excel file, not a text file as its name says\. Rename it to t\.xlsx"):
        open_table("t.csv", tmp_path)


def test_several_files(tmp_path: Path) -> None:
    (tmp_path / "p1.csv").write_text("a,b\n1,x\n2,y\n")
    (tmp_path / "p2.csv").write_text("b;a\nz;3\n")
    with open_table("p*.csv", tmp_path) as table:
        assert rows(table) == [("1", "x"), ("2", "y"), ("3", "z")]
        assert str(table.place(2, "a")) == f"{tmp_path / 'p2.csv'}:2:3"
    (tmp_path / "p3.csv").write_text("a,c\n1,x\n")
    (tmp_path / "p4.csv").write_text("a,b\n1\n")
    with pytest.raises(DataError, match=r"^\S*p3\.csv: The columns are not those of \S*p1\.csv\. It lacks 'b'\. It has 'c' as well\."):
        open_table("p*.csv", tmp_path)
    with pytest.raises(DataError, match="No file has a name like this"):
        open_table("q*.csv", tmp_path)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    for source, message in {
        "some": r"Cannot read some: It is a folder\. .*some/\*\.csv", "pipe": "Cannot read pipe: It is a pipe, not a file",
        "tabel.csv": r"Cannot read tabel\.csv: No such file or directory\. Did you mean 'table\.csv'", "/dev/null": "It is a device",
        "file:///x.csv": "Write the path of a local file without file://",
    }.items():  # fmt: skip
        with pytest.raises(DataError, match=message):
            open_table(source, tmp_path)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_file_of_a_web_server(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    server = HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        with open_table(f"{address}/t.csv?key=secret") as table:
            assert rows(table) == [("1", "2")] and table.name == f"{address}/t.csv"
        with pytest.raises(DataError, match=r"none\.csv.*404"):
            open_table(f"{address}/none.csv")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with pytest.raises(DataError, match="refused"):
        open_table(f"{address}/t.csv")


def test_a_file_of_a_system_that_fsspec_knows() -> None:
    import fsspec

    with fsspec.open("memory://netc/t.csv", "w") as file:
        file.write("a,b\n1,2\n")
    with open_table("memory://netc/t.csv") as table:
        assert rows(table) == [("1", "2")]
    with pytest.raises(DataError, match="There is no such file"):
        open_table("memory://netc/u.csv")


def test_temporary_files_go_away_after_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "t.csv").write_text("a,b\n1\n")
    with pytest.raises(DataError):
        open_table("t.csv", tmp_path)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    open_table("t.csv", tmp_path)  # not closed
    gc.collect()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_temporary_files_of_a_killed_process_are_removed_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    (tmp_path / "temporary").mkdir()
    opening = "import sys, time; from netc.table.reading import open_table; t = open_table(sys.argv[1])"
    program = f"{opening}; print('ready', flush=True); time.sleep(60)"
    started = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "t.csv")],
        env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
        stdout=subprocess.PIPE,
    )
    with started, started.stdout or open(os.devnull) as output:
        output.readline()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
        with open_table("t.csv", tmp_path):
            assert len([path for path in (tmp_path / "temporary").iterdir() if path.is_dir()]) == 2  # one is in use
        started.send_signal(signal.SIGKILL)
    time.sleep(0.1)
    with open_table("t.csv", tmp_path) as table:
        assert [path for path in (tmp_path / "temporary").iterdir() if path.is_dir()] == [table.store.folder]


def test_sql_over_files(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1, x \n2,NA\n30,z\n")
    query = "select a::int + 1 as n, b from cells where a::int > 1 order by a::int desc;"
    with open_table("t.csv", tmp_path, ReadingOptions(query=query)) as table:
        assert kinds(table) == {"n": "integer", "b": "text"} and rows(table) == [(31, "z"), (3, None)]
    for query, message in {
        "select c from cells": "The query failed: .*c",
        "select * from cells where a = 'q'": "The query returns no rows",
        "select [1] as a": "Column 'a' has cells of the type",
        f"select * from read_text('{tmp_path / 't.csv'}')": "The query failed: .*disabled",
    }.items():
        with pytest.raises(DataError, match=rf"^t\.csv: {message}"):
            open_table("t.csv", tmp_path, ReadingOptions(query=query))
