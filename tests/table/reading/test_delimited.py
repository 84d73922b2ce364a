"""Text files: how they are read when nothing is said of them, and what is wrong with them."""

import bz2
import gzip
import lzma
from pathlib import Path

import duckdb
import pytest

from netc.errors import DataError
from netc.table.reading import RawTable, ReadingOptions, number_sql, open_table, quoted

NOTHING = ReadingOptions()


def cells(table: RawTable) -> list[list[str]]:
    """All cells as texts, "" for a missing one."""
    select = {column.name: quoted(column.name) for column in table.columns}
    return [list(row) for chunk in table.chunks(select) for row in zip(*chunk.values(), strict=True)]


def read(folder: Path, data: bytes | str, options: ReadingOptions = NOTHING, name: str = "t.csv") -> list[list[str]]:
    """The names and the cells of a file."""
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    with open_table(name, folder, options) as table:
        return [[column.name for column in table.columns], *cells(table)]


READ = {
    "tabs": ("a\tb\n1\tx, y\n", [["a", "b"], ["1", "x, y"]]),
    "bars": ("a|b\n1|2\n", [["a", "b"], ["1", "2"]]),
    "decimal commas, no header": ("1,5;2,5\n3,5;4,5\n", [["#0", "#1"], ["1,5", "2,5"], ["3,5", "4,5"]]),
    "commas in one column": ("review\nGood, but slow\nBad\nSo, so, it is\n", [["review"], ["Good, but slow"], ["Bad"], ["So, so, it is"]]),
    "times are not cut": ("at,n\n12:30,1\n13:45,2\n", [["at", "n"], ["12:30", "1"], ["13:45", "2"]]),
    "columns of spaces": ("x   y\n1.5   2\n 10  20 \n", [["x", "y"], ["1.5", "2"], ["10", "20"]]),
    "names with spaces in one column": ("full name\nJohn Smith\nAda Byron\n", [["full name"], ["John Smith"], ["Ada Byron"]]),
    "quotes": ('a,b\n"x, ""y""\nz", " k"\n', [["a", "b"], ['x, "y"\nz', "k"]]),
    "single quotes": ("'a','b'\n'x, y','2'\n'z','3'\n", [["a", "b"], ["x, y", "2"], ["z", "3"]]),
    "backslashes": ('a,b\n"say \\"no\\" now",1\n"plain",2\n', [["a", "b"], ['say "no" now', "1"], ["plain", "2"]]),
    "inches": ('a,b\n5" pipe,1\n6" pipe,2\n', [["a", "b"], ['5" pipe', "1"], ['6" pipe', "2"]]),
    "blank lines": ("a,b\n\n1,2\n   \n3,4\n\n", [["a", "b"], ["1", "2"], ["3", "4"]]),
    "blank lines in one column": ("a\n\nx y\n\nz\n", [["a"], ["x y"], ["z"]]),
    "no line end at the end": ("a,b\n1,2", [["a", "b"], ["1", "2"]]),
    "Windows": ("a,b\r\n1,2\r\n", [["a", "b"], ["1", "2"]]),
    "old Mac": ("a,b\r1,2\r3,4\r", [["a", "b"], ["1", "2"], ["3", "4"]]),
    "mixed line ends": ("a,b\r\n1,2\n3,4\r\n", [["a", "b"], ["1", "2"], ["3", "4"]]),
    "comments": ("# by my tool\n# unit: \"cm\na,b\n1,x #1\n# more\n2,y\n", [["a", "b"], ["1", "x #1"], ["2", "y"]]),
    "header in a comment": ("#chrom\tpos\nchr1\t10\nchr1\t20\n", [["chrom", "pos"], ["chr1", "10"], ["chr1", "20"]]),
    "delimiter at each end": ("a,b,\n1,2,\n3,4,\n", [["a", "b"], ["1", "2"], ["3", "4"]]),
    "delimiter at the ends of rows": ("a,b\n1,2,\n3,4,\n", [["a", "b"], ["1", "2"], ["3", "4"]]),
    "names of rows": (",a\nr1,1\nr2,2\n", [["#0", "a"], ["r1", "1"], ["r2", "2"]]),
    "names of rows by R": ("a,b\nr1,1,2\nr2,3,4\n", [["#0", "a", "b"], ["r1", "1", "2"], ["r2", "3", "4"]]),
    "years are names": ("2019,2020,ash\n1.5,2.5,yes\n3.5,4.5,no\n", [["2019", "2020", "ash"], ["1.5", "2.5", "yes"], ["3.5", "4.5", "no"]]),
    "even steps are names": ("y,0,1,2\na,.5,.1,.2\nb,.3,.4,.5\n", [["y", "0", "1", "2"], ["a", ".5", ".1", ".2"], ["b", ".3", ".4", ".5"]]),
    "no header": ("5.1,3.5,setosa\n4.9,3.0,setosa\n", [["#0", "#1", "#2"], ["5.1", "3.5", "setosa"], ["4.9", "3.0", "setosa"]]),
    "no header, texts": ("yes,red\nno,red\nyes,blue\n", [["#0", "#1"], ["yes", "red"], ["no", "red"], ["yes", "blue"]]),
    "case": ("T,t\n1,2\n", [["T", "t"], ["1", "2"]]),
    "missing": ("a,b\nNA,?\n n/a , x \nNone,null\n", [["a", "b"], ["", ""], ["", "x"], ["None", ""]]),
    "composed": ("cafe\u0301,b\n1,2\n", [["caf\u00e9", "b"], ["1", "2"]]),
    "rows of gaps": ("a,b\n,\n1,2\n", [["a", "b"], ["", ""], ["1", "2"]]),
    "a separator of ASCII": ("a,b\nx\x1fy,2\n", [["a", "b"], ["x\x1fy", "2"]]),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_a_text_file_without_options(name: str, tmp_path: Path) -> None:
    text, expected = READ[name]
    assert read(tmp_path, text) == expected


@pytest.mark.parametrize("name", READ)
def test_the_slow_reader_reads_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.table.reading.delimited.Delimited._is_simple", lambda self: False)
    text, expected = READ[name]
    assert read(tmp_path, text) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "shift_jis", "gb18030"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    text = "name,value\n" + ("東京,1\n" if encoding in ("shift_jis", "gb18030") else "Köln,1\n") * 3000
    found = encoding.startswith("utf")
    assert read(tmp_path, text.encode(encoding), NOTHING if found else ReadingOptions(encoding=encoding)) == [
        line.split(",") for line in text.splitlines()
    ]


def test_compressed_files(tmp_path: Path) -> None:
    text = "a,b\n1,x\n2,\n"
    expected = read(tmp_path, text)
    data = text.encode()
    for suffix, packed in {"gz": gzip.compress(data), "bz2": bz2.compress(data), "xz": lzma.compress(data)}.items():
        assert read(tmp_path, packed, name=f"t.csv.{suffix}") == expected
    duckdb.connect().execute(f"copy (select 1 a, 'x' b union all select 2, null) to '{tmp_path / 't.csv.zst'}' (compression zstd)")
    with open_table("t.csv.zst", tmp_path) as table:
        assert cells(table) == expected[1:]


NUMBERS: dict[str, tuple[str, list[float | None]]] = {
    "points": ("n\n1.5\n-2e3\n12%\n$-0.5\n(7)\n5 EUR\n\u22123\ninf\n", [1.5, -2000, 12, -0.5, -7, 5, -3, float("inf")]),
    "decimal commas": ("n;k\n1,5;1\n-2;1\n3,25 \u20ac;1\n", [1.5, -2, 3.25]),
    "points in thousands": ("n;k\n1.234,5;1\n24.980;1\n7;1\n", [1234.5, 24980, 7]),
    "commas in thousands": ('n,k\n"1,234.5",1\n"24,980",1\n7,1\n', [1234.5, 24980, 7]),
    "commas in thousands alone": ('n,k\n"24,980",1\n"1,000",1\n', [24980, 1000]),
    "spaces in thousands": ("n;k\n1 234,5;1\n24\u00a0980;1\n", [1234.5, 24980]),
    "apostrophes in thousands": ("n;k\n1'234.5;1\n24'980;1\n", [1234.5, 24980]),
    "no numbers": ("n,k\n1,1\n1__0,2\n0x10,3\n1.2.3,4\nabc,5\n5,6\n6,7\n7,8\n8,9\n", [1, None, None, None, None, 5, 6, 7, 8]),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str, tmp_path: Path) -> None:
    text, expected = NUMBERS[name]
    (tmp_path / "t.csv").write_text(text)
    with open_table("t.csv", tmp_path) as table:
        assert [x for (x,) in table.query(f"select {number_sql(table.columns[0], table.dialect)} from cells order by rowid")] == expected


WRONG: dict[str, tuple[str | bytes, str]] = {
    "ragged": ("a,b\n1,2\n3\n\"x\ny\",4\n5,6,7\n", r"^t\.csv:3:1: There are 1 cells\. Expected 2, as in the header\. 2 .*: lines 3, 6\.$"),
    "a comma not in quotes": ("name,age,town\nAnn,3,\nSmith, John,4,\nBob,5,\n", r"^t\.csv:3:1: There are 4 .* 3.*in quotes"),
    "a cell too many that is missing": ("a,b\n1,2\n3,4,NA\n", r"^t\.csv:3:1: There are 3 cells"),
    "an open quote": ('a,b\n1,2\n3,"x\n4,5\n', r"^t\.csv:3:1: A quoted cell begins here and does not end"),
    "header again": ("a,b\n1,2\na,b\n3,4\na,b\n", r"^t\.csv:3:1: The header comes again here and 1 more times"),
    "the same name": ("a,b,a\n1,2,3\n", r"columns 1 and 3 have the same name 'a'"),
    "a header alone": ("a,b\n", "There are no rows"),
    "nothing": ("", "The file is empty"),
    "blank lines alone": ("\n\n \n", "The file is empty"),
    "a NUL byte": ("a,b\n1,x\0y\n", r"^t\.csv:2:4: There is a NUL byte"),
    "bytes that are no UTF-8": (b"a,b\n1,K\xf6ln\n", r"^t\.csv:2:4: The byte 0xf6 is not UTF-8\. .*`cp1252` reads 'K\u00f6ln'"),
    "a huge cell": (f"a,b\n1,{'x' * 3_000_000}\n", r"^t\.csv:2:1: A cell is longer than 2,097,152 letters"),
    "numbers in doubt": ("n;k\n24,980;1\n31,000;2\n", "can be read in two ways"),
    "zip": (b"PK\x03\x04abc", "It is a zip archive"),
    "HTML": ("\n<!DOCTYPE html>\n<html></html>", "It is an HTML page"),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), r"compressed with gzip\. Rename it to t\.csv\.gz"),
    "Parquet": (b"PAR1xxxxxxxxPAR1", r"It is a Parquet file, not a text file as its name says\. Rename it to t\.parquet"),
    "old Excel": (b"\xd0\xcf\x11\xe0abc", "It is an old Excel or Word file"),
    "JSON": ('{"a": 1}\n{"a": 2}\n', r"It is a JSON file, not a text file"),
    "too many columns": (",".join(f"c{k}" for k in range(10_001)) + "\n", "There are 10,001 columns"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong(name: str, tmp_path: Path) -> None:
    data, message = WRONG[name]
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, data)
    assert len(caught.value.diagnostics) == 1


def test_a_wrong_delimiter(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The delimiter ';' is not in the first lines\. Did you mean ','\?"):
        read(tmp_path, "a,b\n1,2\n", ReadingOptions(delimiter=";"))


def test_an_unknown_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"The encoding 'latin-11' is unknown\. Did you mean 'latin-1'"):
        read(tmp_path, "a,b\n1,2\n", ReadingOptions(encoding="latin-11"))


def test_damaged_archives(tmp_path: Path) -> None:
    data = gzip.compress(b"a,b\n" + bytes(range(48, 58)) * 1000)
    for wrong in (data[:-10], data[:20] + b"\0" * 20 + data[40:]):
        with pytest.raises(DataError, match="damaged or incomplete"):
            read(tmp_path, wrong, name="t.csv.gz")
    with pytest.raises(DataError, match="not compressed with gzip"):
        read(tmp_path, "a,b\n1,2\n", name="t.csv.gz")


def test_many_columns(tmp_path: Path) -> None:
    rows = [[f"c{k}" for k in range(2000)], *([str(k + r) for k in range(2000)] for r in range(20))]
    assert read(tmp_path, "\n".join(map(",".join, rows))) == rows


def test_places(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('# note\na,b\n"x\ny", 1\n\n# more\n2,"p ""q"""\n')
    with open_table("t.csv", tmp_path) as table:
        found = {(row, name): str(table.place(row, name)) for row in (-1, 0, 1) for name in "ab"}
    assert found == {
        (-1, "a"): "t.csv:2:1", (-1, "b"): "t.csv:2:3", (0, "a"): "t.csv:3:1", (0, "b"): "t.csv:4:5",
        (1, "a"): "t.csv:7:1", (1, "b"): "t.csv:7:3",
    }  # fmt: skip


def test_rows_that_are_chosen_of_many_columns(tmp_path: Path) -> None:
    names = [f"c{k}" for k in range(250)]
    (tmp_path / "t.csv").write_text("\n".join([",".join(names), *(",".join(str(r + k) for k in range(250)) for r in range(500))]))
    with open_table("t.csv", tmp_path) as table:
        number = number_sql(table.columns[0])
        chunks = list(table.chunks({name: quoted(name) for name in names}, 64, where=f"{number} % 2 = 0", order=f"-{number}"))
        assert [len(chunk["c0"]) for chunk in chunks] == [64, 64, 64, 58]
        assert [int(cell) for chunk in chunks for cell in chunk["c249"]] == [r + 249 for r in range(498, -1, -2)]


def test_numbers_that_mean_a_missing_cell(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("n,k\n-999,1\n5,2\n")
    with open_table("t.csv", tmp_path, ReadingOptions(missing=("-999",))) as table:
        found = table.query(f"select {number_sql(table.columns[0], table.dialect)}, {quoted('n')} from cells order by rowid")
        assert found == [(None, None), (5.0, "5")]
