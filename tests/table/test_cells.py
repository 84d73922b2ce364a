"""The cells of columns as arrays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netc.table import cells
from netc.table.cells import Codes, Numbers, Texts, Wanted, evenly_spaced, read_cells
from netc.table.columns.define import MISSING_INT, Cells
from netc.table.reading import RawTable, open_table, quoted

LINES = ["x,word,n", "1.5,b,7", ",a,", "x,,9", "2.5,b,8", "1.5,ä b,7"]


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[RawTable]:
    (tmp_path / "t.csv").write_text("\n".join(LINES) + "\n")
    with open_table("t.csv", tmp_path) as table:
        yield table


def wanted() -> dict[str, Wanted]:
    x, n = quoted("x"), quoted("n")
    number = Cells(f"try_cast({x} as DOUBLE)", f"{x} is not null and try_cast({x} as DOUBLE) is null", "Expected a number.")
    return {
        "x": Wanted("x", number, "float64"), "word": Wanted("word", Cells(quoted("word")), "string"),
        "n": Wanted("n", Cells(f"try_cast({n} as BIGINT)"), "int64"),
    }  # fmt: skip


def test_numbers_and_codes_with_gaps(raw: RawTable, tmp_path: Path) -> None:
    found, errors = read_cells(raw, wanted(), tmp_path)
    x, word, n = found["x"], found["word"], found["n"]
    assert isinstance(x, Numbers) and isinstance(word, Codes) and isinstance(n, Numbers)
    np.testing.assert_array_equal(x.cells, [1.5, np.nan, np.nan, 2.5, 1.5])
    assert n.cells.tolist() == [7, MISSING_INT, 9, 8, 7] and n.missing().tolist() == [False, True, False, False, False]
    assert word.words.tolist() == ["a", "b", "ä b"] and word.cells.tolist() == [1, 0, -1, 1, 2]
    (error,) = errors
    assert error.text == "Column 'x': 1 of 4 cells cannot be read, in line 4: 'x'. Expected a number."


def test_values_are_those_of_the_rows_that_are_asked_for(raw: RawTable, tmp_path: Path) -> None:
    found, _ = read_cells(raw, wanted(), tmp_path)
    rows = np.array([0, 1, 4])
    x, word = found["x"].values(rows), found["word"].values(rows)
    assert (x.values.tolist(), x.counts.tolist(), x.missing) == ([1.5], [2], 1)
    assert (word.values.tolist(), word.counts.tolist(), word.missing) == (["a", "b", "ä b"], [1, 1, 1], 0)
    nothing = found["word"].values(np.array([2]))
    assert (nothing.values.tolist(), nothing.missing) == ([], 1)


@pytest.mark.parametrize(("most_words", "most_letters"), [(2, 1000), (1000, 4)])
def test_too_many_texts_are_read_when_they_are_needed(
    raw: RawTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_words: int, most_letters: int
) -> None:
    monkeypatch.setattr(cells, "MOST_WORDS", most_words)
    monkeypatch.setattr(cells, "MOST_LETTERS", most_letters)
    word = read_cells(raw, wanted(), tmp_path)[0]["word"]
    assert isinstance(word, Texts)
    monkeypatch.setattr(cells, "MOST_LETTERS", 1000)
    values = word.values(np.array([0, 2, 3]))
    assert (values.values.tolist(), values.counts.tolist(), values.missing) == (["b"], [2], 1)
    monkeypatch.setattr(cells, "MOST_LETTERS", 3)  # for two of the rows
    assert word.values(np.array([0, 1, 3, 4])).counts.sum() < 4


def test_of_many_rows_evenly_spaced_ones_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MOST_FITTED", 5)
    numbers = Numbers(np.where(np.arange(100) == 1, np.nan, np.arange(100.0)))
    values = numbers.values(np.arange(100))
    assert values.values.tolist() == [0, 24, 49, 74, 99] and values.missing == 1  # the gap is counted, although it is between them
    codes = Codes(np.tile(np.array([0, 1, 1, -1], np.int32), 25), np.array(["a", "b"], object)).values(np.arange(100))
    assert (codes.counts.tolist(), codes.missing) == ([25, 50], 25)  # all of them count
    assert evenly_spaced(np.arange(10), 3).tolist() == [0, 4, 9] and evenly_spaced(np.arange(3), 3).tolist() == [0, 1, 2]


def test_a_column_without_values(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("x,word,n\n1,,2\n2,NA,3\n")
    with open_table("e.csv", tmp_path) as table:
        word = read_cells(table, wanted(), tmp_path)[0]["word"]
    assert isinstance(word, Codes) and word.cells.tolist() == [-1, -1] and word.words.tolist() == []
